import json
from pathlib import Path

import pytest
import yaml

from advdim.config import ConfigError, load, schema
from advdim.config.base import canonical_epsilon
from advdim.config.convolutional import ConvolutionalNetwork
from advdim.sweep import experiment_cells

ROOT = Path(__file__).parents[2]
PRESETS = [ROOT / "config.yaml", *sorted((ROOT / "config/presets").glob("*.yaml"))]


def set_in(raw: dict, path: str, value: object) -> None:
    *parents, last = path.split(".")
    for key in parents:
        raw = raw[key]
    raw[last] = value


MISTAKES = [
    ("experiments.dimension.sizs", [8], "'experiments.dimension.sizs' is unknown", "'sizes'"),
    ("datasets.digits.train_imgs", 3, "'datasets.digits.train_imgs'", "'train_images'"),
    ("networks.maxpool4.widht", 3, "'networks.maxpool4.widht' is unknown", "'width'"),
    ("training.measurement.step", 3, "'training.measurement.step' is unknown", "'steps'"),
    ("methods.pgd_linf.stepz", 3, "'methods.pgd_linf.stepz' is unknown", "'steps'"),
    ("networks.maxpool4.training", {"epoch": 3}, "networks.maxpool4.training.epoch", "'epochs'"),
    ("datasets.digits.source", "digit", "'datasets.digits.source' is 'digit'", "'parquet'"),
    ("networks.maxpool4.pool", "avg", "'networks.maxpool4.pool' is 'avg'", "'average'"),
    ("networks.maxpool4.kind", "resnet", "'networks.maxpool4.kind' is 'resnet'", "'module'"),
    ("experiments.dimension.methods", ["pgd"], "is 'pgd'", "'pgd_linf'"),
    ("experiments.dimension.dataset", "digts", "is 'digts'", "'digits'"),
    ("experiments.dimension.figures", ["figure2"], "names 'figure2'", "input_dimension"),
    ("experiments.dimension.epsilons", [-0.1], "epsilons.0' is -0.1", "at least 0"),
    ("experiments.dimension.epsilons", ["small"], "is 'small'", "finite number"),
    ("experiments.dimension.epsilons", [], "dimension.epsilons' is missing", "'pgd_linf'"),
    ("experiments.dimension.sizes", [12], "sizes' holds 12", "multiples of 8"),
    ("experiments.regularisation.sizes", [16], "holds 16", "2x2 map and head 'linear'"),
    ("networks.maxpool4.pool_after", [1, 2, 3, 4], "holds 8", "layer 4 would pad a 1x1 map"),
    ("networks.maxpool4.dilation", "size/none", "'size/none'", "'size / N'"),
    ("experiments.dimension.attacks", ["pgd_lin"], "attacks.0' is 'pgd_lin'", "'pgd_linf'"),
    ("experiments.regularisation.figures", ["attack_ladder"], "'attack_ladder'", "give 'experi"),
    ("attacks.options.pgd_linf.restart", 2, "pgd_linf.restart' is unknown", "'restarts'"),
    ("attacks.options.fgsm", {"steps": 3}, "'attacks.options.fgsm.steps'", "unknown"),
    ("training.epsilon_units", "pixel", "'training.epsilon_units' is unknown", "'units'"),
    (
        "networks.maxpool4.training",
        {"units": "pixel"},
        "maxpool4.training.units",
        "own key 'units'",
    ),
    ("attacks.units", "pixel", "'attacks.units' is unknown", "own key 'units'"),
    ("experiments.dimension.epsilon", [0.1], "is unknown", "did you mean 'epsilons'?"),
    ("attacks.epsilon", 0.1, "'attacks.epsilon' is unknown", "'threshold'"),
    ("units", "pixel", "'units' is 'pixel'", "'datasets.digits.normalisation'"),
    ("units", "pixels", "'units' is 'pixels'", "'normalised' or 'pixel'"),
    ("attacks.thresholds", [-0.1], "'attacks.thresholds.0' is -0.1", "greater than 0"),
    ("attacks.threshold_by_network", {"maxpol4": 0.1}, "names 'maxpol4'", "'maxpool4'"),
    ("bounds.kinds", ["locl"], "'bounds.kinds.0' is 'locl'", "'local'"),
    ("bounds.imges", 3, "'bounds.imges' is unknown", "'images'"),
    ("experiments.regularisation.figures", ["counter_example"], "shows attacks", "give 'experi"),
    (
        "networks.maxpool4",
        {"kind": "vision_transformer", "patches": 4, "width": 8},
        "asks for lower bounds of network 'maxpool4'",
        "kind 'vision_transformer' has none",
    ),
    (
        "networks.maxpool4",
        {"kind": "mixer", "patches": 4, "width": 8},
        "asks for lower bounds of network 'maxpool4'",
        "kind 'mixer' has none",
    ),
    ("networks.strided4", {"kind": "lenet"}, "holds 8", "smaller than its 5x5 kernel"),
    ("training.epochs", -1, "'training.epochs' is -1", "must be at least 0"),
    ("training.epochs", 0, "names 'maxpool4', which is neither trained", "'initialisation'"),
    ("networks.maxpool4.training", {"epochs": 0}, "neither trained (epochs: 0) nor", "'initiali"),
    (
        "networks.strided4",
        {"kind": "torchvision", "name": "resnet18", "training": {"epochs": 0}},
        "asks for strength 0.01",
        "not trained (epochs: 0)",
    ),
    (
        "networks.maxpool4",
        {"layers": 2, "width": 2, "padding": "circular", "dilation": 9, "head": "global_average"},
        "holds 8, which network 'maxpool4'",
        "wrap a 8x8 map around by 9 pixels",
    ),
    (
        "datasets.digits",
        {"source": "digits", "validation_fraction": 0.9999},
        "'datasets.digits': of 1,348 training images, validation_fraction holds out 1348",
        "at least 2 are needed",
    ),
    (
        "datasets.digits",
        {"source": "digits", "test_fraction": 0.0001},
        "'datasets.digits'",
        "there is no test image",
    ),
    ("attacks.examples.images", 200, "'attacks.examples.images' is 200", "at most 20"),
    ("training.learning_rate", 1e300, "'training.learning_rate' is 1e+300", "at most 1e+30"),
    ("training.learning_rate", "1e300", "'training.learning_rate' is '1e300'", "at most 1e+30"),
    ("attacks.threshold", 1e39, "'attacks.threshold' is 1e+39", "at most 1e+30"),
    ("figures.font_size", 100, "'figures.font_size' is 100", "at most 40"),
    ("results", "/", "'results' is '/'", "neither the root"),
    ("results", "r" * 256, "'results'", "at most 255 bytes"),
    ("networks", {"n" * 101: {"layers": 2}}, "networks", "100 at most"),
    ("methods.m" + "m" * 100, {"module": "math:sqrt"}, "'methods.mm", "100 at most"),
    ("networks.maxpool4", {"kind": "module", "module": "no_such_module:Net"}, "no_such", "found"),
    (
        "experiments.dimension.epsilons_by_method",
        {"grad_l1": [0.1]},
        "of 'grad_l1'",
        "not list: pgd",
    ),
    (
        "bounds",
        {"kinds": ["patches"], "images_by_kind": {"local": 3}},
        "'bounds.images_by_kind' names 'local'",
        "does not list: patches",
    ),
    ("methods.copy", {"module": "math:sqrt"}, "'methods.copy'", "choose another"),
    ("attacks.options.json", {"module": "math:sqrt"}, "'attacks.options.json'", "choose another"),
    ("methods.mine", {"module": "math.sqrt"}, "'methods.mine.module'", "'package.module:name'"),
    ("experiments.my one", {}, "'experiments.my one'", "holds letters, digits"),
    ("attacks.options.fgsm", {"steps": 3}, "'attacks.options.fgsm.steps'", "there are none"),
    (
        "datasets.digits.normalisation",
        {"mean": [125.3], "std": [63.0]},
        "has mean [125.3] and std [63.0]",
        "divide grey levels by 255",
    ),
    (
        "datasets.digits.normalisation",
        {"mean": [0.5] * 3, "std": [0.2] * 3},
        "'datasets.digits.normalisation' has 3 values of each",
        "the images have 1 channels",
    ),
    (
        "initialisation.fresh.batch_size",
        1,
        "'initialisation.fresh.batch_size' is 1",
        "must be at least 2",
    ),
]


@pytest.mark.parametrize(("path", "value", "says", "allows"), MISTAKES)
def test_a_mistake_is_explained_in_one_sentence(raw_config, path, value, says, allows):
    set_in(raw_config, path, value)
    with pytest.raises(ConfigError) as raised:
        load(raw_config)
    first = str(raised.value).splitlines()[0]
    assert says in first
    assert allows in first
    assert "validation error" not in first


def test_a_missing_file_is_named(raw_config, tmp_path):
    missing = str(tmp_path / "train.parquet")
    raw_config["datasets"]["digits"] = {"source": "parquet", "train": missing, "test": missing}
    with pytest.raises(ConfigError, match=r"train names '.*train\.parquet', which does not exist"):
        load(raw_config)
    # what is finished is drawn without images
    assert load({**raw_config, "only_finished": True}).only_finished


@pytest.mark.parametrize(
    ("spelled", "canonical"),
    [
        (1e-3, "0.001"),
        ("1e-3", "0.001"),
        ("0.0010", "0.001"),
        (0, "0"),
        (0.0, "0"),
        ("0.000", "0"),
        (1, "1"),
        (10, "10"),
        (1e-5, "0.00001"),
        (0.00018, "0.00018"),
    ],
)
def test_one_spelling_per_epsilon(spelled, canonical):
    assert canonical_epsilon(spelled) == canonical


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.name)
@pytest.mark.usefixtures("images_of_presets")
def test_every_preset_is_valid(preset):
    load(yaml.safe_load(preset.read_text()))


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"datasets": {"digits": {"sorce": "digits"}}}, "datasets.digits.sorce"),
        ({"datasets": {"digits": {"source": "folder", "rot": "x"}}}, "datasets.digits.rot"),
        ({"networks": {"maxpool4": {"knd": "module", "module": "a:B"}}}, "networks.maxpool4.knd"),
    ],
)
def test_of_a_misspelt_key_only_that_is_said(raw_config, block, expected):
    with pytest.raises(ConfigError) as caught:
        load({**raw_config, **block})
    (sentence,) = str(caught.value).splitlines()
    assert sentence.startswith(f"Config key '{expected}' is unknown; did you mean '")


def test_a_strength_in_pixels_that_is_out_of_range_normalised_is_named(raw_config):
    raw_config["units"] = "pixel"
    raw_config["datasets"]["digits"]["normalisation"] = {"mean": [0.5], "std": [0.5]}
    raw_config["experiments"]["dimension"]["epsilons"] = ["1e9"]
    with pytest.raises(ConfigError, match=r"dimension' asks for strength 1000000000; .* 1E-30 to"):
        load(raw_config)


def test_a_format_that_is_named_twice_is_one(raw_config):
    raw_config["figures"] = {"formats": ["png", "pdf", "png"]}
    assert load(raw_config).figures.formats == ["png", "pdf"]


def test_networks_as_they_come_need_no_strengths(raw_config):
    raw_config["training"]["epochs"] = 0
    raw_config["networks"]["maxpool4"] = {"kind": "torchvision", "name": "resnet18"}
    experiment = raw_config["experiments"]["dimension"]
    del experiment["epsilons"]
    raw_config["experiments"] = {"dimension": experiment}
    assert load(raw_config).experiments["dimension"].epsilons == ["0"]
    raw_config["networks"]["maxpool4"] |= {"training": {"epochs": 1}}
    with pytest.raises(ConfigError, match=r"dimension\.epsilons' is missing"):
        load(raw_config)


def test_where_relative_files_are_looked_for_is_said(raw_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw_config["datasets"]["digits"] = {"source": "parquet", "train": "a.parquet", "test": "b"}
    with pytest.raises(ConfigError, match="relative paths start from") as caught:
        load(raw_config)
    assert str(tmp_path) in str(caught.value)


def test_the_stored_schema_is_current():
    stored = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text())
    assert stored == schema(), "run make schema"


@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_geometry_matches_the_built_network(size):
    import torch

    from advdim.networks.convolutional import convolutional

    settings = ConvolutionalNetwork(
        layers=8, width=2, pool="max", pool_after=[2, 4, 6, 8], dilation="size / 32",
        head="global_max",
    )  # fmt: skip
    network = convolutional(settings, 3, size, 10)
    pool = next(i for i, m in enumerate(network) if isinstance(m, torch.nn.AdaptiveMaxPool2d))
    features = network[:pool].eval()(torch.zeros(1, 3, size, size))
    assert features.shape[-1] == settings.final_edge(size) == size // 16


def test_network_overrides_win_over_dataset_overrides(raw_config):
    raw_config["datasets"]["digits"]["training"] = {"epochs": 7, "batch_size": 8}
    raw_config["networks"]["maxpool4"]["training"] = {"epochs": 9, "measurement": {"steps": 4}}
    training = load(raw_config).training_of("digits", "maxpool4")
    assert (training.epochs, training.batch_size) == (9, 8)
    assert (training.measurement.steps, training.measurement.images) == (4, 16)


def test_an_experiment_may_name_several_networks(raw_config):
    raw_config["networks"]["other"] = {"kind": "fully_connected"}
    raw_config["experiments"]["regularisation"] |= {"network": ["strided4", "other"], "figures": []}
    cells = list(experiment_cells(load(raw_config), "regularisation"))
    assert {cell.network for cell in cells} == {"strided4", "other"}
    assert len(cells) == 2 * 3


def test_each_of_several_networks_must_be_known(raw_config):
    raw_config["experiments"]["regularisation"]["network"] = ["strided4", "strided5"]
    with pytest.raises(ConfigError, match=r"'experiments\.regularisation\.network' is 'strided5'"):
        load(raw_config)
