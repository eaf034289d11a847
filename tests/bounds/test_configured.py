from advdim.bounds import SOUND_BOUNDS
from advdim.config.bounds import Bounds


def test_the_configuration_names_the_bounds_of_the_library():
    assert list(SOUND_BOUNDS) == Bounds().kinds


def test_limits_per_kind():
    settings = Bounds(images=100, kinds=["patches", "local"], images_by_kind={"local": 20})
    assert settings.limits(1000) == {"patches": 100, "local": 20}
    assert settings.limits(10) == {"patches": 10, "local": 10}
    assert Bounds(images=None).limits(7)["kink"] == 7
