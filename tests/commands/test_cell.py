"""One network by hand: a stopped training goes on, and is never taken for another's."""

import json

import pytest
import yaml

from advdim.__main__ import main
from advdim.tensor_files import read_tensors
from advdim.training import loop


@pytest.fixture
def train(raw_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(raw_config))

    def trained(output, seed, method="pgd_linf"):
        cell = f"cell sweep.yaml --dataset digits --network strided4 --size 8 --method {method} "
        cell += f"--epsilon 0.1 --seed {seed} --output {output}"
        assert main(cell.split()) == 0
        return read_tensors(tmp_path / output / "network.safetensors")[0]

    return trained


def same(one, other):
    return all(one[name].equal(other[name]) for name in one)


def test_a_folder_used_again_holds_the_network_that_was_asked_for(train, tmp_path, monkeypatch):
    expected, other = train("alone", 1), train("first", 0, "grad_l2")
    assert not same(expected, other)
    with monkeypatch.context() as stopping:
        epochs = loop.Trainer._validate

        def stopped(self, epoch, loss):
            self._save()
            raise KeyboardInterrupt

        stopping.setattr(loop.Trainer, "_validate", stopped)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            train("one", 0, "grad_l2")
    assert loop.Trainer._validate is epochs
    assert list((tmp_path / "one/checkpoints").rglob("*.safetensors"))
    assert same(train("one", 1), expected)
    assert not (tmp_path / "one/checkpoints").exists()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("epsilon", "abc", "Option --epsilon is 'abc': must be a finite number of at least 0."),
        ("epsilon", "-1", "Option --epsilon is '-1': must be a finite number of at least 0."),
        ("epsilon", "0", "Options --method pgd_linf and --epsilon 0 do not go together"),
        ("method", "none", "Options --method none and --epsilon 0.1 do not go together"),
        ("method", "pgd", "Option --method is 'pgd'; did you mean 'pgd_linf'?"),
        ("dataset", "digitz", "Option --dataset is 'digitz'; did you mean 'digits'?"),
        ("seed", "-1", "Option --seed is -1: must be at least 0."),
        ("size", "0", "Option --size is 0: must be at least 1."),
        ("size", "9", "Option --size is 9: "),
        ("output", "sweep.yaml", "Option --output is 'sweep.yaml', which is a file"),
        ("output", "taken", "Option --output is 'taken', which holds another network (seed 5)"),
    ],
)
def test_a_cell_that_cannot_be_is_told_by_its_option(
    raw_config, tmp_path, monkeypatch, capsys, option, value, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(raw_config))
    cell = {
        "dataset": "digits", "network": "strided4", "size": 8, "method": "pgd_linf",
        "epsilon": "0.1", "seed": 0, "output": "one",
    }  # fmt: skip
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/run.json").write_text(json.dumps({**cell, "seed": 5}))
    arguments = [f"--{key}={part}" for key, part in {**cell, option: value}.items()]
    assert main(["cell", "sweep.yaml", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "one").exists()


def record_of(raw, folder, *options):
    (folder / "sweep.yaml").write_text(yaml.safe_dump(raw))
    cell = ["--dataset=digits", "--size=8", "--seed=0", f"--output={folder / 'one'}", *options]
    status = main(["cell", str(folder / "sweep.yaml"), *cell])
    record = folder / "one/run.json"
    return status, json.loads(record.read_text()) if record.exists() else None


def test_a_strength_is_in_the_files_units_as_in_a_sweep(raw_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw_config["datasets"]["digits"]["normalisation"] = {"mean": [0.5], "std": [0.25]}
    raw = {**raw_config, "units": "pixel"}
    raw["attacks"] = {"thresholds": [0.01]}
    raw["training"]["measurement"] = {**raw["training"]["measurement"], "threshold": 0.01}
    options = ("--network=strided4", "--method=pgd_linf", "--epsilon=0.02")
    status, record = record_of(raw, tmp_path, *options)
    assert (status, record["epsilon"]) == (0, "0.08")


def test_a_network_that_is_not_trained_has_no_strength(raw_config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    raw_config["networks"]["fresh"] = {
        **raw_config["networks"]["strided4"],
        "training": {"epochs": 0},
    }
    options = ("--network=fresh", "--method=grad_l1", "--epsilon=0.1")
    assert record_of(raw_config, tmp_path, *options) == (2, None)
    assert (
        "Option --epsilon is '0.1', but network 'fresh' is not trained (epochs: 0): the only "
        "strength is 0."
    ) in capsys.readouterr().err


def test_a_record_that_is_none_is_named(raw_config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "one/run.json").write_text("{status")
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(raw_config))
    cell = "cell sweep.yaml --dataset digits --network strided4 --size 8 --method pgd_linf"
    assert main(f"{cell} --epsilon 0.1 --seed 0 --output one".split()) == 2
    assert "is 'one', whose record 'run.json' cannot be read" in capsys.readouterr().err
