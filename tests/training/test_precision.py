"""Arithmetic other than float32: where it is used, where it is not, and what it keeps."""

import copy
import math

import pytest
import torch
from benchmarks.rounding import TF32_BITS, TWINS, nearest
from hypothesis import given
from hypothesis import strategies as st
from tests.training.test_equivalence import POOLED, SIZE, STRIDED, batch, difference, networks

from advdim.attacks.evaluate import evaluate_attack
from advdim.attacks.registry import ATTACKS
from advdim.config.architectures import (
    FullyConnectedNetwork,
    ResidualNetwork,
    VisionTransformerNetwork,
)
from advdim.config.existing import ModuleNetwork
from advdim.config.training import Measurement
from advdim.measures.vulnerability import measure
from advdim.networks import precision
from advdim.networks.build import Shape, build
from advdim.networks.low_precision import AnchoredConvolution, anchored
from advdim.networks.perturbations import loss_gradient, steepest
from advdim.networks.precision import CRAFTING, arithmetic, float32_only, precision_used


def flags():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def products():
    """How every operation is computed that can be in less than float32, by the newer switches."""
    cuda, cudnn, mkldnn = torch.backends.cuda, torch.backends.cudnn, torch.backends.mkldnn
    operations = (cuda.matmul, cudnn.conv, cudnn.rnn, mkldnn.matmul, mkldnn.conv, mkldnn.rnn)
    return {operation.fp32_precision for operation in operations}


@pytest.fixture(autouse=True)
def _nothing_switched():
    """Set the newer switches as PyTorch starts with them, and the older ones off."""
    float32_only()
    backends = torch.backends
    for owner in (backends, backends.cudnn, backends.mkldnn.conv, backends.mkldnn.rnn):
        owner.fp32_precision = "none"
    yield
    float32_only()


def switched(name, value):
    """Return what sets a switch of ``torch.backends``."""
    *path, last = name.split(".")

    def switch():
        owner = torch.backends
        for part in path:
            owner = getattr(owner, part)
        setattr(owner, last, value)

    return switch


SWITCHES = {
    "high": lambda: torch.set_float32_matmul_precision("high"),
    "medium": lambda: torch.set_float32_matmul_precision("medium"),
    **{
        name: switched(name, value)
        for name, value in [
            ("cuda.matmul.allow_tf32", True),
            ("cudnn.allow_tf32", True),
            ("fp32_precision", "tf32"),
            ("cuda.matmul.fp32_precision", "tf32"),
            ("cudnn.fp32_precision", "tf32"),
            ("cudnn.conv.fp32_precision", "tf32"),
            ("mkldnn.matmul.fp32_precision", "bf16"),
            ("mkldnn.conv.fp32_precision", "bf16"),
        ]
    },
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_float32_only_overrules_each_switch(switch):
    SWITCHES[switch]()
    assert products() & {"tf32", "bf16"}
    float32_only()
    assert products() == {"ieee"}
    # those who read the older switches find no contradiction
    assert flags() == (False, False)
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize("switch", SWITCHES)
def test_steps_follow_a_switch_of_any_kind_and_leave_it(switch):
    SWITCHES[switch]()
    before = products()
    with precision.Arithmetic("float32", torch.nn.Identity()).step():
        assert products() == before
    with precision.Arithmetic("tf32", torch.nn.Identity()).step():
        assert flags() == (True, True)


class Hasty(torch.nn.Linear):
    """A module of the user's that allows TF32 where it is built."""

    def __init__(self, channels, size, classes):
        super().__init__(channels * size**2, classes)
        torch.set_float32_matmul_precision("high")

    def forward(self, inputs):
        self.seen = products()
        return super().forward(inputs.flatten(1))


def test_what_is_measured_is_float32_whatever_a_module_has_switched(cell):
    settings = ModuleNetwork(kind="module", module=f"{__name__}:Hasty")
    network = build(settings, Shape(1, 4, 3), torch.Generator())
    assert products() == {"ieee"}
    images, labels = torch.randn(2, 1, 4, 4), torch.tensor([0, 1])
    for switch in SWITCHES.values():
        switch()
        measure(network, [(images, labels)], Measurement(), 0.1, *[torch.Generator()] * 2)
        assert network.seen == {"ieee"}
        switch()
        evaluate_attack(network.eval(), images, labels, ATTACKS["fgsm"], 0.1)
        assert products() == {"ieee"}
    trainer = cell(epochs=1)
    SWITCHES["high"]()
    trainer._measure = lambda epoch: None
    trainer.train()
    assert products() == {"ieee"}


def test_a_gpu_is_asked_for_its_own_generation(monkeypatch):
    capability = {"cuda:0": (8, 0), "cuda:1": (7, 0)}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", capability.__getitem__)
    wanted = ("auto", "anchored", "tf32")
    assert [precision_used(name, "cuda:0") for name in wanted] == ["anchored", "anchored", "tf32"]
    assert {precision_used(name, "cuda:1") for name in wanted} == {"float32"}


def gradients(twin, *inputs):
    """The gradients at each inputs in turn, as an attack asks for them."""
    targets = batch()[1]
    return [loss_gradient(twin, value, targets)[1] for value in inputs]


def copied_pixels(noise):
    inputs = batch(torch.float32)[0][:, :, ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)
    return [
        inputs + noise * torch.randn(inputs.shape, generator=torch.Generator().manual_seed(seed))
        for seed in (2, 3)
    ]


@pytest.mark.parametrize("noise", [1e-5, 1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("architecture", [POOLED, STRIDED], ids=["pooled", "strided"])
def test_anchored_passes_keep_nearly_equal_pixels_apart(architecture, noise):
    network, _ = networks(architecture)
    inputs = copied_pixels(noise)
    _, judge = gradients(copy.deepcopy(network).double(), *(i.double() for i in inputs))

    def effect(twin):
        """What a step by a twin's second gradient does at first order, over the best step's."""
        _, gradient = gradients(twin, *inputs)
        return float((judge * steepest(gradient, "linf")).sum() / judge.abs().sum())

    assert effect(anchored(network)) > effect(network) - 0.003
    if architecture is POOLED:
        # rounding the inputs themselves, even as sums of two numbers, makes them equal
        assert effect(CRAFTING["bfloat16"](network)) < effect(network) - 0.1
        if noise == 1e-5:
            twin = TWINS["sums of two bfloat16"](network)
            assert effect(twin) < effect(network) - 0.03


def test_anchored_passes_end_with_their_batch():
    network, _ = networks(STRIDED)
    one, other = copied_pixels(0.5)
    twin = anchored(network)
    (fresh,) = gradients(twin, one)
    gradients(twin, other)
    twin.forget()
    assert torch.equal(gradients(twin, one)[0], fresh)
    # the same images behind other ones are rounded
    twin.forget()
    assert not torch.equal(gradients(twin, other, one)[1], fresh)
    # images of another number are no continuation
    assert gradients_of_some(twin, one[:7]).shape == (7, 3, SIZE, SIZE)


@pytest.mark.parametrize("twin", CRAFTING.values(), ids=CRAFTING)
@pytest.mark.parametrize("kept", ["weight_norm", "hook"])
def test_a_convolution_with_hooks_has_no_twin_that_passes_them_by(twin, kept):
    network, _ = networks(STRIDED)
    if kept == "weight_norm":
        torch.nn.utils.weight_norm(network[0])
        # a file brings these, and the weight follows when the network is called
        network[0].weight_v.data = network[0].weight_v.data.flip(-1)
    else:
        network[0].register_forward_hook(lambda layer, inputs, maps: maps**3)
    inputs, _ = batch(torch.float32)
    logits = twin(network)(inputs)
    torch.testing.assert_close(logits, network(inputs), rtol=0.1, atol=0.1)


def gradients_of_some(twin, inputs):
    return loss_gradient(twin, inputs, batch()[1][: len(inputs)])[1]


def test_the_benchmarks_rounding_is_that_of_bfloat16():
    """The twins by bits against those that PyTorch computes in bfloat16."""
    network, _ = networks(STRIDED)
    inputs = copied_pixels(0.01)
    (_, full) = gradients(network, *inputs)
    for name in ("bfloat16_backward", "anchored", "bfloat16"):
        # batch norm's running statistics play no part in training mode
        (_, by_bits), (_, by_type) = (
            gradients(twins[name](network), *inputs) for twins in (TWINS, CRAFTING)
        )
        error = difference([by_type], [full])
        assert difference([by_bits], [by_type]) < error, name
        assert error > 1e-3


@given(st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False))
def test_rounding_is_to_the_nearest(value):
    exact = torch.tensor([value])
    assert torch.equal(nearest(exact, 7), exact.bfloat16().float())
    rounded = nearest(exact, TF32_BITS)
    spacing = 2.0 ** (math.floor(math.log2(abs(value))) - TF32_BITS) if value else 0.0
    assert abs(float(rounded.double() - exact.double())) <= max(spacing / 2, 1e-38)


def test_a_processor_stays_with_float32(monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    assert precision_used("auto", "cpu") == precision_used("tf32", "cpu") == "float32"
    assert precision_used("bfloat16_backward", "cpu") == "bfloat16_backward"
    assert precision_used("auto", "cuda:0") == "anchored"
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: False)
    assert {
        precision_used(name, "cuda:0") for name in ("auto", "bfloat16_backward", "bfloat16")
    } == {"float32"}


def test_tf32_is_on_in_steps_alone_and_not_in_the_first_layer(cell, monkeypatch):
    monkeypatch.setattr(precision, "has_tf32", lambda device: True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    trainer = cell("pgd_linf", precision="tf32")
    assert trainer.arithmetic.precision == "tf32"
    seen = {True: set(), False: set()}
    first, *others = (m for m in trainer.network if isinstance(m, torch.nn.Conv2d))
    for layer in (first, *others, trainer.network[-1]):
        conv = layer.forward
        layer.forward = lambda maps, conv=conv, layer=layer: (
            seen[layer is first].add((trainer.network.training, flags())),
            conv(maps),
        )[1]
    trainer.train()
    assert seen[True] == {(True, (False, False)), (False, (False, False))}
    # in training mode twice: the pass that fills batch norm's statistics is no step
    assert seen[False] == {
        (True, (False, False)), (True, (True, True)), (False, (False, False))
    }  # fmt: skip
    assert flags() == (False, False)


def test_a_step_that_fails_leaves_no_tf32_behind():
    class Fails(torch.nn.Conv2d):
        def forward(self, maps):
            raise RuntimeError

    network = torch.nn.Sequential(Fails(1, 1, 1))
    precision._keep_first_layer_exact(network)
    subject = precision.Arithmetic("tf32", network)
    before = flags()
    with pytest.raises(RuntimeError), subject.step():
        network(torch.zeros(1, 1, 1, 1))
    assert flags() == before


@pytest.mark.parametrize("name", ["anchored", "bfloat16_backward", "bfloat16"])
def test_cells_train_with_their_attacks_at_every_precision(cell, monkeypatch, name):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    full, other = cell("pgd_linf", precision="float32"), cell("pgd_linf", precision=name)
    firsts = []
    for layer in other.arithmetic.crafting:
        if isinstance(layer, AnchoredConvolution):
            layer.first.register_forward_hook(lambda *_: firsts.append(1))
    rows, other_rows = full.train().rows, other.train().rows
    assert other.arithmetic.precision == name
    assert other_rows[-1]["loss"] == pytest.approx(rows[-1]["loss"], rel=0.05)
    # four batches in each of two epochs, four convolutions
    assert len(firsts) == (32 if name == "anchored" else 0)


WITHOUT_CONVOLUTIONS = {
    "no sequence": torch.nn.Linear(2, 3),
    "fully connected": torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 3)),
    "convolutions inside": torch.nn.Sequential(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1))),
}


@pytest.mark.parametrize("name", ["anchored", "bfloat16_backward"])
@pytest.mark.parametrize("network", WITHOUT_CONVOLUTIONS)
def test_networks_of_which_nothing_is_rounded_train_in_float32(network, name):
    subject = arithmetic(name, WITHOUT_CONVOLUTIONS[network])
    assert (subject.precision, subject.crafting) == ("float32", WITHOUT_CONVOLUTIONS[network])
    with subject.step():
        assert CRAFTING[name](WITHOUT_CONVOLUTIONS[network]) is WITHOUT_CONVOLUTIONS[network]


def test_a_cell_has_the_precision_that_its_network_lets_it(cell, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    networks = {
        "float32": [
            FullyConnectedNetwork(kind="fully_connected", layers=1, width=4),
            VisionTransformerNetwork(kind="vision_transformer", patches=4, width=8, layers=1),
        ],
        # its first convolution alone
        "anchored": [ResidualNetwork(kind="residual", widths=[4])],
    }
    for expected, described in networks.items():
        for network in described:
            trainer = cell(architecture=network, precision="anchored")
            assert trainer.arithmetic.precision == expected
