import pytest

from advdim.attacks.registry import ATTACKS
from advdim.config.attacks import AttackOptions

EFFORT = {"steps": 3, "relative_step": 0.1, "restarts": 2, "queries": 50}


def test_the_configuration_names_the_attacks_of_the_registry():
    assert set(ATTACKS) == set(AttackOptions.model_fields)


@pytest.mark.parametrize("name", ATTACKS)
def test_every_option_reaches_its_attack(name):
    options = dict.fromkeys(type(getattr(AttackOptions(), name)).model_fields, None)
    chosen = {key: EFFORT[key] for key in options}
    configured = ATTACKS[name].configured(**chosen)
    # an adapter's options are those of the library's attack that it builds
    inner = configured.make() if hasattr(configured, "make") else configured
    other = {"relative_step": ("step_size", "rel_stepsize")}
    for key, value in chosen.items():
        names = [n for n in other.get(key, (key,)) if hasattr(inner, n)]
        assert [getattr(inner, n) for n in names] == [value]
