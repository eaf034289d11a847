"""Which steps are recorded and repeated; that they have the same bits is for a GPU to show."""

import pytest
import torch

from advdim.config import load
from advdim.data.layout import memory_format
from advdim.stages import train
from advdim.sweep import Cell
from advdim.training.recording import CALLS_BEFORE, Recorded, recordable_stream


class Replays:
    """A recording that computes the function on its places, as the kernels of a graph would."""

    def __init__(self, recorded):
        self.recorded, self.count = recorded, 0

    def replay(self):
        self.count += 1
        self.recorded.function(*self.recorded._places)


@pytest.fixture
def summing(monkeypatch):
    """Return a recorded function, and the list of what it was computed of."""
    monkeypatch.setattr(Recorded, "_record", lambda recorded: Replays(recorded))
    seen = []
    recorded = Recorded(lambda values: seen.append(values.clone()), torch.Generator())
    return recorded, seen


def test_the_first_calls_are_computed_and_the_others_repeated_on_their_own_arguments(summing):
    recorded, seen = summing
    values = [torch.full((3,), float(number)) for number in range(CALLS_BEFORE + 3)]
    for number, value in enumerate(values):
        recorded(value)
        assert (recorded._graph is not None) == (number >= CALLS_BEFORE)
    assert recorded._graph.count == 3
    assert all(torch.equal(one, other) for one, other in zip(seen, values, strict=True))


def test_a_smaller_batch_is_computed_between_repetitions(summing):
    recorded, seen = summing
    for _ in range(CALLS_BEFORE + 1):
        recorded(torch.zeros(3))
    recorded(torch.ones(2))
    recorded(torch.ones(3))
    assert recorded._graph.count == 2
    assert [len(values) for values in seen[-2:]] == [2, 3]
    assert seen[-1].sum() == 3


def test_a_processor_records_nothing(cell, monkeypatch):
    for name in ("Stream", "current_stream", "CUDAGraph", "graph"):
        monkeypatch.setattr(torch.cuda, name, None)
    trainer = cell(recorded=True)
    with recordable_stream(torch.device("cpu")):
        trainer.train()
    assert trainer._step == trainer._learn


class Stopped(Exception):
    pass


@pytest.mark.parametrize(
    ("network", "method", "recorded"),
    [("maxpool4", "pgd_linf", True), ("maxpool4", "smooth", False), ("users", "none", False)],
)
def test_code_of_the_users_is_never_recorded(
    raw_config, monkeypatch, tmp_path, network, method, recorded
):
    raw_config["networks"]["users"] = {"kind": "module", "module": "torch.nn:Identity"}
    raw_config["methods"] = {"smooth": {"module": "advdim.training.regularisers:none"}}
    config = load(raw_config)
    given = {}

    def trainer(*_, **settings):
        given.update(settings)
        raise Stopped

    class Small:
        channels, size, class_names, normalisation = 1, 8, ["0", "1"], None

    monkeypatch.setattr(train, "load_pixels", lambda _: Small)
    monkeypatch.setattr(train, "build", lambda *_: None)
    monkeypatch.setattr(train, "to_normalised", lambda *_: 0.0)
    monkeypatch.setattr(train, "Trainer", trainer)
    cell = Cell("digits", network, 8, method, "0", 0)
    with pytest.raises(Stopped):
        train.train_cell(config, cell, "", {}, tmp_path)
    assert given["recorded"] == recorded


@pytest.mark.parametrize(
    ("device", "precision", "layout"),
    [
        ("cpu", "float32", torch.channels_last),
        ("cuda", "float32", torch.contiguous_format),
        ("cuda", "tf32", torch.channels_last),
        ("cuda:1", "anchored", torch.channels_last),
    ],
)
def test_the_layout_follows_device_and_precision(device, precision, layout):
    assert memory_format(device, precision) == layout
