"""What a training step may not do: wait for the device, or add in an order of chance."""

import contextlib
import os

import pytest
import torch
from tests.training.conftest import POOLED, STRIDED
from torch.autograd import DeviceType
from torch.utils._python_dispatch import TorchDispatchMode

from advdim.networks import layers
from advdim.networks.precision import CRAFTING
from advdim.stages.machine import reproducible
from advdim.training.loop import Interrupted
from advdim.training.recording import recordable_stream
from advdim.training.regularisers import REGULARISERS

# Operators that read a value, or how many there are, and so wait for all that comes before.
READING = {"_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "_unique2"}
# What brings tensors from the host, or between devices.
COPYING = {"lift_fresh", "_to_copy"}
# Backward passes without an order on a GPU: https://docs.pytorch.org/docs/stable/generated/
# torch.use_deterministic_algorithms.html, of those that images can pass through.
UNORDERED = {
    f"{name}_backward"
    for name in (
        "reflection_pad1d", "reflection_pad2d", "_adaptive_avg_pool2d", "adaptive_max_pool2d",
        "fractional_max_pool2d", "upsample_bilinear2d", "upsample_bicubic2d", "grid_sampler_2d",
        "nll_loss2d", "max_unpool2d",
    )
} | {"put_", "histc", "cumsum", "median"}  # fmt: skip
ARCHITECTURES = {"pooled": POOLED, "strided": STRIDED}


class Calls(TorchDispatchMode):
    """The names of all operators that run within, a copy to another type apart."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, arguments=(), settings=None):
        name, settings = function.__name__.split(".")[0], settings or {}
        if name != "_to_copy" or settings.get("device") is not None:
            self.names.append(name)
        return function(*arguments, **settings)


class Steps:
    """Batches of an epoch, between whose first and last all calls are recorded."""

    def __init__(self, trainer):
        self.trainer, self.calls, self.count = trainer, Calls(), 0
        self.between = trainer._interruptible

    def __call__(self, batches):
        with contextlib.ExitStack() as recording:
            for batch in self.between(batches):
                # the first batch brings the epoch's order along
                if self.count == 0:
                    recording.enter_context(self.calls)
                self.count += 1
                yield batch


def recorded(trainer):
    """Train an epoch; return the names of its steps' operators."""
    trainer._interruptible = steps = Steps(trainer)
    trainer._train_epoch(0)
    assert steps.count == 4
    assert "convolution_backward" in steps.calls.names
    return set(steps.calls.names)


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    monkeypatch.setattr(layers, "ORDERED", frozenset())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("method", REGULARISERS)
def test_no_step_reads_a_tensor_or_adds_in_an_order_of_chance(
    cell, as_on_a_gpu, monkeypatch, method, architecture
):
    trainer = cell(method, ARCHITECTURES[architecture])
    trainer._train_epoch(0)
    trainer._begin_epoch(0)
    # what reads memory without an operator
    with monkeypatch.context() as patched:
        for name in ("tolist", "numpy", "cpu", "__array__"):
            patched.setattr(torch.Tensor, name, None)
        names = recorded(trainer)
    assert names & (READING | COPYING | UNORDERED) == set()


def test_what_is_forbidden_would_be_seen(cell):
    """The recorder sees a read loss, a tensor from the host, and the unordered padding."""

    class Reading(torch.nn.Sequential):
        def forward(self, inputs):
            float(inputs.mean())
            return super().forward(inputs) * torch.tensor(1.0)

    trainer = cell("none")
    trainer.network = Reading(*trainer.network)
    names = recorded(trainer)
    assert {"_local_scalar_dense", "lift_fresh", "reflection_pad2d_backward"} <= names


@pytest.mark.parametrize("method", ["pgd_linf", "grad_l1"])
def test_a_gpus_layers_train_the_same_network(cell, monkeypatch, method):
    results = []
    for ordered in ({"cpu"}, set()):
        monkeypatch.setattr(layers, "ORDERED", frozenset(ordered))
        trainer = cell(method)
        rows = trainer.train().rows
        results.append((trainer.network.state_dict(), [{**row, "seconds": 0} for row in rows]))
    (weights, rows), (others, other_rows) = results
    assert rows == other_rows
    assert all(torch.equal(weights[name], others[name]) for name in weights)


@pytest.fixture
def strict(monkeypatch):
    """Fix the order of all sums; what has none raises here, where a cell only warns."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    reproducible(1)
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("method", REGULARISERS)
def test_a_cell_ends_with_the_same_bits_twice(cell, device, strict, method, architecture):
    made = [cell(method, ARCHITECTURES[architecture], device, recorded=True) for _ in range(2)]
    assert_same(*map(trained, made))


def on_the_device(profile):
    """Return the names of what a profile saw on a GPU; a profile that saw nothing shows nothing."""
    names = [event.name for event in profile.events() if event.device_type == DeviceType.CUDA]
    if not names:
        pytest.skip("the profiler sees nothing of the device: CUPTI is missing or in use")
    return names


def test_a_profile_without_the_device_shows_nothing():
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        torch.ones(2) + 1
    assert any("add" in event.name for event in profile.events())
    with pytest.raises(pytest.skip.Exception, match="CUPTI"):
        on_the_device(profile)


@pytest.mark.gpu
@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("method", REGULARISERS)
def test_no_step_copies_from_or_to_the_host(cell, method, recorded):
    trainer = cell(method, device="cuda", recorded=recorded)
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with recordable_stream(trainer.device):
        trainer._train_epoch(0)
        trainer._begin_epoch(0)
        arguments = (16, trainer.augmentation, torch.Generator())
        batches = list(trainer.batches["train"].drawn(*arguments))
        trainer.batches["train"].drawn = lambda *_: batches
        with torch.profiler.profile(activities=activities) as profile:
            torch.cuda.set_sync_debug_mode("error")
            try:
                # reading the sum at the end of the epoch is the one thing that waits
                with contextlib.suppress(RuntimeError):
                    trainer._train_epoch(0)
            finally:
                torch.cuda.set_sync_debug_mode("default")
    assert trainer.state.batch == 4
    names = on_the_device(profile)
    assert [name for name in names if "HtoD" in name or "DtoH" in name] == []


def trained(trainer, checkpoint=None):
    rows = [{**row, "seconds": 0} for row in trainer.train(checkpoint).rows]
    return rows, trainer.network.state_dict()


def assert_same(one, other):
    assert one[0] == other[0]
    assert all(torch.equal(weights, other[1][name]) for name, weights in one[1].items())


@pytest.mark.gpu
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("method", REGULARISERS)
def test_a_recorded_step_has_the_bits_of_a_computed_one(cell, strict, method, architecture):
    settings = {"epochs": 3, "halve_every": 2, "batch_size": 12}
    made = [
        cell(method, ARCHITECTURES[architecture], "cuda", recorded, **settings)
        for recorded in (True, False)
    ]
    assert_same(*map(trained, made))
    assert made[0]._step._graph is not None


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["pgd_linf", "grad_l1", "cross_lipschitz"])
@pytest.mark.parametrize("precision", CRAFTING)
def test_steps_of_every_precision_can_be_recorded(cell, strict, precision, method):
    settings = {"precision": precision, "batch_size": 12}
    made = (cell(method, device="cuda", recorded=r, **settings) for r in (True, False))
    assert_same(*map(trained, made))


@pytest.mark.gpu
def test_a_recorded_cell_goes_on_from_its_checkpoint(cell, strict, tmp_path):
    settings = {"device": "cuda", "recorded": True, "batch_size": 8, "epochs": 3}
    whole, stopped = trained(cell(**settings)), cell(**settings)
    stopped.stop_requested = lambda: stopped.state.epoch == 1 and stopped.state.batch == 5
    with pytest.raises(Interrupted):
        stopped.train(tmp_path / "checkpoint")
    assert_same(whole, trained(cell(**settings), tmp_path / "checkpoint"))


def test_the_process_is_made_reproducible(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    torch.backends.cudnn.allow_tf32 = True
    reproducible(1)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
