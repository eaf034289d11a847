"""Networks with weights: what is loaded computes what it did elsewhere, or is refused."""

import json
import pickle
import sys
from types import SimpleNamespace

import foolbox
import pytest
import torch
import torchattacks
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from advdim.bounds import lower_bounds
from advdim.config import ConfigError, load
from advdim.config.existing import ModuleNetwork, TimmNetwork, TorchvisionNetwork
from advdim.data.pixels import load_pixels
from advdim.data.torchvision_import import torchvision
from advdim.networks.build import NetworkError, Shape, build
from advdim.networks.trial import try_network
from advdim.planning.trial import trial_problems
from advdim.results import FILES, Result, inputs_of, is_current
from advdim.stages.attack import attack_cell
from advdim.stages.pixels import prepare_pixels
from advdim.stages.train import train_cell
from advdim.streams import stream
from advdim.sweep import experiments_by_cell
from advdim.tables import read_table
from advdim.units import Normalisation

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
DATASET = Normalisation((0.5, 0.4, 0.3), (0.2, 0.25, 0.3))


class Small(nn.Module):
    def __init__(self, channels, size, classes, softmax=False):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, classes),
        )  # fmt: skip
        self.last = nn.Softmax(1) if softmax else nn.Identity()

    def forward(self, inputs):
        return self.last(self.body(inputs))


def trained(channels=3, classes=10, **arguments):
    """A network with statistics of its own, as after training."""
    torch.manual_seed(1)
    network = Small(channels, 8, classes, **arguments)
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(64, channels, 8, 8))
        network.body[5].weight.mul_(4)
    return network.eval()


def fitted():
    """A network that knows digits in [0, 1]."""
    from sklearn.datasets import load_digits

    network, data = trained(channels=1).train(), load_digits()
    pixels, labels = torch.tensor(data.images).float()[:, None] / 16, torch.tensor(data.target)
    descent = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(60):
        descent.zero_grad()
        functional.cross_entropy(network(pixels), labels).backward()
        descent.step()
    return network.eval()


def settings(weights, normalisation="pixels", **more):
    return ModuleNetwork(
        kind="module", module=f"{__name__}:Small", weights=str(weights),
        normalisation=normalisation, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    "layout", ["safetensors", "parallel safetensors", "plain", "nested", "parallel"]
)
def test_files_of_weights_in_their_usual_layouts(tmp_path, layout):
    network, file = trained(), tmp_path / "weights.pt"
    state = network.state_dict()
    if layout.endswith("safetensors"):
        file = tmp_path / "weights.safetensors"
        prefix = "module." if "parallel" in layout else ""
        save_file({f"{prefix}{name}": value for name, value in state.items()}, file)
    elif layout == "plain":
        torch.save(state, file)
    elif layout == "nested":
        torch.save({"epoch": 3, "state_dict": state}, file)
    else:
        torch.save({f"module.{name}": value for name, value in state.items()}, file)
    built = build(settings(file), Shape(3, 8, 10), stream(), DATASET).eval()
    pixels = torch.rand(5, 3, 8, 8)
    found = built(DATASET.apply(pixels))
    assert torch.allclose(found, network(pixels), atol=1e-5)


def test_the_networks_own_normalisation_and_grey_images(tmp_path):
    network, file = trained(), tmp_path / "weights.safetensors"
    save_file(network.state_dict(), file)
    grey = Normalisation((0.3,), (0.4,))
    own = settings(file, IMAGENET, channels=3)
    built = build(own, Shape(1, 8, 10), stream(), grey).eval()
    pixels = torch.rand(6, 1, 8, 8)
    mean, std = (torch.tensor(IMAGENET[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
    expected = network((pixels.expand(-1, 3, -1, -1) - mean) / std)
    assert torch.allclose(built(grey.apply(pixels)), expected, atol=1e-5)
    # A bound of the whole is one of the steps together.
    layers = nn.Sequential(built[0], built[1].body)
    bounds = lower_bounds(layers, grey.apply(pixels), grey)
    gradients = torch.autograd.functional.jacobian(lambda x: built(grey.apply(x)), pixels[:1])
    steepest = gradients[0, :, 0].flatten(1).norm(dim=1).max()
    logits = expected[0].sort().values
    assert 0 < bounds.sound[0] < (logits[-1] - logits[-2]) / steepest * 100


def test_a_softmax_is_taken_away_by_declaration_only(tmp_path):
    network, file = trained(softmax=True), tmp_path / "weights.safetensors"
    save_file(network.state_dict(), file)
    own = settings(file, softmax="remove", arguments={"softmax": True})
    built = build(own, Shape(3, 8, 10), stream(), DATASET).eval()
    pixels = torch.rand(5, 3, 8, 8)
    logits = built(DATASET.apply(pixels))
    assert torch.allclose(logits.softmax(1), network(pixels), atol=1e-5)
    assert not torch.allclose(logits.sum(1), torch.ones(5))
    with pytest.raises(NetworkError, match=r"no layer torch\.nn\.Softmax"):
        build(settings(file, softmax="remove"), Shape(3, 8, 10), stream())


class Unpickled:
    def __reduce__(self):
        return print, ("code of a file was run",)


def test_code_in_a_file_is_never_run(tmp_path, capsys):
    file = tmp_path / "weights.pth"
    with open(file, "wb") as out:
        pickle.dump({"weight": Unpickled()}, out)
    with pytest.raises(NetworkError, match=r"weights\.pth"):
        build(settings(file), Shape(3, 8, 10), stream(), DATASET)
    torch.save(trained(), file)
    with pytest.raises(NetworkError, match=r"save network\.state_dict\(\)"):
        build(settings(file), Shape(3, 8, 10), stream(), DATASET)
    assert "was run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        (Shape(3, 8, 7), r"'body\.5\.weight' is 10 x 16, not 7 x 16"),
        (Shape(1, 8, 10), r"'body\.0\.weight' is 4 x 3 x 3 x 3, not 4 x 1 x 3 x 3"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, shape, says):
    file = tmp_path / "weights.safetensors"
    save_file(trained().state_dict(), file)
    unit = Normalisation((0.5,) * shape.channels, (0.5,) * shape.channels)
    with pytest.raises(NetworkError, match=says):
        build(settings(file), shape, stream(), unit)


def test_a_truncated_file_of_weights_is_named(tmp_path):
    for name in ("weights.safetensors", "weights.pt"):
        (tmp_path / name).write_bytes(b"\x10\x00\x00")
        with pytest.raises(NetworkError, match=name.replace(".", r"\.")):
            build(settings(tmp_path / name), Shape(3, 8, 10), stream(), DATASET)


def test_models_of_torchvision_by_name(tmp_path, monkeypatch):
    torch.manual_seed(0)
    direct = torchvision("models").resnet18(weights=None, num_classes=10).eval()
    save_file(direct.state_dict(), tmp_path / "resnet.safetensors")
    own = TorchvisionNetwork(
        kind="torchvision", name="resnet18", weights=str(tmp_path / "resnet.safetensors"),
        normalisation=IMAGENET,
    )  # fmt: skip
    mean, std = (torch.tensor(IMAGENET[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
    for size in (32, 64):
        built = build(own, Shape(3, size, 10), stream(), DATASET).eval()
        pixels = torch.rand(2, 3, size, size)
        expected = direct((pixels - mean) / std)
        assert torch.allclose(built(DATASET.apply(pixels)), expected, atol=1e-4)
    with pytest.raises(NetworkError, match="'channels: 3' repeats grey ones"):
        build(own, Shape(1, 32, 10), stream())
    # Weights by name are torchvision's own, checked by their hash; here without a download.
    known = torchvision("models").ResNet18_Weights
    asked = {}

    def state(weights, **options):
        asked[weights.name] = options
        return direct.state_dict()

    monkeypatch.setattr(known, "get_state_dict", state)
    named = own.model_copy(update={"weights": "IMAGENET1K_V1"})
    built = build(named, Shape(3, 32, 10), stream(), DATASET).eval()
    pixels = torch.rand(2, 3, 32, 32)
    assert torch.allclose(built(DATASET.apply(pixels)), direct((pixels - mean) / std), atol=1e-4)
    assert asked == {"IMAGENET1K_V1": {"check_hash": True}}
    with pytest.raises(NetworkError, match="there are IMAGENET1K_V1"):
        build(named.model_copy(update={"weights": "V9"}), Shape(3, 32, 10), stream(), DATASET)


def test_models_of_timm_by_name(monkeypatch):
    """With a stand-in where timm is not installed, which says how it was called."""
    own = TimmNetwork(kind="timm", name="resnet10t", arguments={"drop_rate": 0.1})
    try:
        torchvision("models")
        import timm
    except ImportError:
        calls = []

        def create_model(name, pretrained, **arguments):
            calls.append((name, pretrained, arguments))
            return Small(arguments["in_chans"], 8, arguments["num_classes"])

        monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=create_model))
        build(own, Shape(1, 32, 7), stream())
        assert calls == [("resnet10t", False, {"num_classes": 7, "drop_rate": 0.1, "in_chans": 1})]
    else:
        torch.manual_seed(stream().initial_seed())
        direct = timm.create_model("resnet10t", num_classes=7, in_chans=1, drop_rate=0.1).eval()
        built = build(own, Shape(1, 32, 7), stream()).eval()
        inputs = torch.rand(2, 1, 32, 32)
        assert torch.allclose(built(inputs), direct(inputs), atol=1e-5)


@pytest.fixture
def raw(raw_config, tmp_path):
    """Measured, attacked and bounded without training."""
    network = trained(channels=1)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    raw_config["results"] = str(tmp_path / "results")
    raw_config["networks"]["existing"] = {
        "kind": "module",
        "module": f"{__name__}:Small",
        "weights": str(tmp_path / "weights.safetensors"),
        "normalisation": "pixels",
        "training": {"epochs": 0},
    }
    raw_config["units"] = "pixel"
    raw_config["attacks"] |= {
        "threshold": 0.05, "thresholds": [], "images": 32, "box": True,
        "options": {"autoattack_linf": {"steps": 10, "queries": 200}},
    }  # fmt: skip
    raw_config["training"]["measurement"] |= {"threshold": 0.05}
    raw_config["experiments"] = {
        "existing": {
            "dataset": "digits", "network": "existing", "sizes": [8, 16], "epsilons": [0],
            "attacks": ["autoattack_linf"], "bounds": True,
        }
    }  # fmt: skip
    return raw_config


def test_measures_and_autoattack_are_those_of_the_libraries_called_directly(raw, tmp_path):
    direct = fitted()
    save_file(direct.state_dict(), tmp_path / "weights.safetensors")
    config = load(raw)
    cell = next(iter(experiments_by_cell(config)))
    pixels_file = tmp_path / "pixels.safetensors"
    prepare_pixels(config, "digits", 8, pixels_file)
    files = {name: tmp_path / path.rsplit("/", 1)[1] for name, path in FILES["train"].items()}
    record = train_cell(config, cell, pixels_file, files, tmp_path / "checkpoints")
    assert (record["status"], record["epochs"]) == ("done", 0)
    stored = load_pixels(pixels_file)
    images = stored.images["test"].float() / 255
    labels = stored.labels["test"]

    rows = read_table(files["epochs"]).query("split == 'test'")
    assert list(rows["epoch"]) == [-1]
    assert rows["summarised"].all()
    row, few = rows.iloc[0], slice(16)
    leaf = images[few].clone().requires_grad_()
    logits = direct(leaf)
    losses = functional.cross_entropy(logits, labels[few], reduction="none")
    (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    per_unit = gradient.flatten(1) * stored.normalisation.std[0]
    assert row["accuracy"] == (logits.argmax(1) == labels[few]).float().mean()
    assert row["loss"] == pytest.approx(float(losses.mean()), rel=1e-4)
    assert row["grad_l1"] == pytest.approx(float(per_unit.norm(1, dim=1).mean()), rel=1e-4)
    assert row["grad_l2"] == pytest.approx(float(per_unit.norm(2, dim=1).mean()), rel=1e-4)
    attack = foolbox.attacks.LinfPGD(
        steps=2, rel_stepsize=config.training.measurement.relative_step, random_start=False
    )
    model = foolbox.PyTorchModel(direct, bounds=(-9, 9))
    perturbed = attack.run(model, images[few], labels[few], epsilon=0.05)
    with torch.no_grad():
        under = functional.cross_entropy(direct(perturbed), labels[few])
    assert row["damage"] == pytest.approx(float(under - losses.mean()), rel=1e-3)

    attack_cell(
        config, cell, "autoattack_linf", files["network"], pixels_file, tmp_path / "a.parquet"
    )
    attacks = read_table(tmp_path / "a.parquet")
    ensemble = torchattacks.AutoAttack(direct, eps=0.05, n_classes=10, seed=0)
    for member in ensemble._autoattack.attacks:
        if hasattr(member, "steps"):
            member.steps = 10
        if hasattr(member, "n_queries"):
            member.n_queries = 200
    with torch.no_grad():
        robust = direct(ensemble(images, labels)).argmax(1) == labels
    right = attacks["prediction"] == attacks["label"]
    found = right & (attacks["adversarial_prediction"] == attacks["label"])
    # The members draw random numbers: a borderline image may go either way.
    assert (found.to_numpy() == robust.numpy()).mean() >= 31 / 32
    assert 0 < found.mean() < right.mean()


def test_weights_are_an_input_by_content(raw, tmp_path):
    config = load(raw)
    result = Result.of("train", next(iter(experiments_by_cell(config))).wildcards())
    inputs = inputs_of(config, result)
    assert inputs["weights"]
    stated = json.loads(config.networks["existing"].architecture())
    assert "weights" not in stated
    record = {
        "status": "done", "because": None, "inputs": inputs, "code_hash": "", "revision": 0,
    }  # fmt: skip
    from advdim.results import config_hash

    record["config_hash"] = config_hash(config, result)
    assert is_current(config, result, record, inputs_of(config, result))
    other = trained(channels=1)
    with torch.no_grad():
        other.body[5].bias.add_(1)
    moved = tmp_path / "copy.safetensors"
    moved.write_bytes((tmp_path / "weights.safetensors").read_bytes())
    raw["networks"]["existing"]["weights"] = str(moved)
    assert is_current(load(raw), result, record, inputs_of(load(raw), result))
    changed = tmp_path / "changed.safetensors"
    save_file(other.state_dict(), changed)
    raw["networks"]["existing"]["weights"] = str(changed)
    assert not is_current(load(raw), result, record, inputs_of(load(raw), result))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"normalisation": None}, "'normalisation' must say what they were trained on"),
        ({"weights": "nothing.safetensors"}, "'nothing.safetensors', which is no file"),
        ({"weights": "IMAGENET1K_V1"}, "must be a file that ends in .safetensors, .pt, .pth"),
        ({"normalisation": {"mean": [0.1], "std": [0.0]}}, "greater than 0"),
    ],
)
def test_what_is_missing_is_told_while_parsing(raw, change, says):
    raw["networks"]["existing"] |= change
    with pytest.raises(ConfigError, match=says.replace("(", r"\(")):
        load(raw)


def test_untrained_networks_have_no_strengths_and_no_seeds(raw):
    raw["experiments"]["existing"]["epsilons"] = [0, 0.1]
    raw["experiments"]["existing"]["seeds"] = 2
    with pytest.raises(ConfigError) as told:
        load(raw)
    assert "asks for strength 0.1, but network 'existing' is not trained" in str(told.value)
    assert "asks for 2 networks, but network 'existing' is the same for all" in str(told.value)
    raw["initialisation"]["fresh"]["networks"] = ["existing"]
    raw["experiments"]["existing"] |= {"epsilons": [0], "seeds": 1}
    with pytest.raises(ConfigError, match="which has weights: a network at initialisation has"):
        load(raw)


class Odd(Small):
    """A network that is odd in the way that is asked for."""

    def __init__(self, channels, size, classes, way):
        super().__init__(channels, size, classes)
        if way == "build" and size > 8:
            raise ValueError("only 8 pixels\nand a second line")
        self.way = way

    def forward(self, inputs):
        logits = super().forward(inputs)
        if self.way == "forward" and inputs.shape[2] > 8:
            raise RuntimeError("shapes cannot be multiplied")
        changed = {
            "softmax": lambda: logits.softmax(1),
            "random": lambda: logits + torch.rand_like(logits),
            "infinite": lambda: logits / 0,
            "batch": lambda: logits - logits.mean(0),
            "detached": lambda: logits.detach(),
            "steps": lambda: super(Odd, self).forward(inputs.round()),
            "tuple": lambda: (logits, logits),
        }
        return changed.get(self.way, lambda: logits)()


@pytest.mark.parametrize(
    ("way", "says"),
    [
        ("build", "at size 16: .* cannot be built for 16 pixels: only 8 pixels\\.$"),
        ("forward", "at size 16: .* cannot take 1 x 16 x 16 images: shapes cannot be multiplied"),
        ("softmax", "returns probabilities; logits are wanted"),
        ("random", "answers the same images differently each time"),
        ("infinite", "not finite"),
        ("batch", "differently beside others"),
        ("detached", "no gradient with respect to its input"),
        ("steps", "a gradient of 0"),
        ("tuple", "maps 2 images of size 8 to tuple"),
        ("none", "'bounds: true' asks for lower bounds that there are none of.*'Odd'"),
    ],
)
def test_check_tries_networks_of_ones_own(raw, way, says):
    raw["networks"]["odd"] = {
        "kind": "module", "module": f"{__name__}:Odd", "arguments": {"way": way},
    }  # fmt: skip
    experiment = raw["experiments"]["existing"]
    raw["experiments"] = {"odd": {**experiment, "network": "odd", "bounds": way == "none"}}
    problems = trial_problems(load(raw))
    assert problems
    with pytest.raises(AssertionError, match=says):
        raise AssertionError("\n".join(problems))


def test_check_accepts_what_can_be_used(raw):
    experiment = raw["experiments"]["existing"]
    experiment["bounds"] = False
    assert trial_problems(load(raw)) == []


class Viewing(Small):
    def forward(self, inputs):
        maps = self.body[0](inputs)
        return self.body[5](maps.view(maps.size(0), -1)[:, :16])


class Double(Small):
    def forward(self, inputs):
        return super().forward(inputs).double()


class Noting(Small):
    def get_extra_state(self):
        return {"version": 1}

    def set_extra_state(self, state):
        pass


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("Viewing", r"view size is not compatible.*Use \.reshape"),
        ("Double", r"returns logits in torch\.float64, not torch\.float32"),
        ("Noting", r"has state '_extra_state' of type dict; only tensors are stored"),
    ],
)
def test_a_network_that_cannot_be_trained_or_stored_is_refused_before(kind, said):
    own = ModuleNetwork(kind="module", module=f"{__name__}:{kind}")
    shape = Shape(3, 8, 10)
    with pytest.raises(NetworkError, match=said):
        try_network(build(own, shape, stream()), "of mine", shape)
