import pytest
import torch

from advdim.config.data import Augmentation, DigitsDataset
from advdim.config.network import ConvolutionalNetwork
from advdim.config.training import Training
from advdim.data.pixels import prepare
from advdim.networks.build import Shape, build
from advdim.streams import stream
from advdim.training.loop import Trainer
from advdim.training.regularisers import objective

NETWORK = ConvolutionalNetwork(
    layers=4, width=4, pool="max", pool_after=[2, 4], dilation="size / 8", head="global_max"
)
SETTINGS = Training.model_validate(
    {
        "epochs": 4,
        "batch_size": 16,
        "halve_every": 2,
        "measurement": {"every": 2, "summary_epochs": 1, "steps": 2},
    }
)


@pytest.fixture(scope="module")
def pixels():
    return prepare(DigitsDataset(source="digits", train_images=64, test_images=16), "digits", 16)[0]


def trainer(pixels, method="pgd_linf", epsilon=0.01, settings=SETTINGS, owner=("cell", 0)):
    network = build(NETWORK, Shape(1, 16, 10), stream(*owner, "initialisation"))
    method_settings = {"steps": 2} if method == "pgd_linf" else {}
    function = objective(method, method_settings)
    augmentation = Augmentation(crop_padding=1, flip=True)
    return Trainer(network, pixels, function, epsilon, settings, augmentation, owner)


def without_time(rows):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def same_weights(one, other):
    pairs = zip(one.network.state_dict().items(), other.network.state_dict().items(), strict=True)
    return all(name == other_name and torch.equal(a, b) for (name, a), (other_name, b) in pairs)


def test_rows_follow_the_protocol(pixels):
    rows = trainer(pixels).train().rows
    assert [(row["epoch"], row["split"]) for row in rows] == [
        (epoch, split) for epoch in (-1, 0, 2, 3) for split in ("train", "test")
    ]
    assert [row["learning_rate"] for row in rows[::2]] == [0.01, 0.01, 0.005, 0.005]
    assert [row["summarised"] for row in rows[::2]] == [False, False, False, True]


def test_the_same_cell_twice_is_identical(pixels):
    one, two = trainer(pixels), trainer(pixels)
    assert without_time(one.train().rows) == without_time(two.train().rows)
    assert same_weights(one, two)


def test_another_seed_is_another_network(pixels):
    one, two = trainer(pixels), trainer(pixels, owner=("cell", 1))
    one.train()
    two.train()
    assert not same_weights(one, two)


@pytest.mark.parametrize("method", ["none", "pgd_linf", "grad_l2"])
def test_training_from_small_pixels_equals_materialised_ones(pixels, method):
    small, large = trainer(pixels, method), trainer(pixels.materialised(), method)
    assert without_time(small.train().rows) == without_time(large.train().rows)
    assert same_weights(small, large)


class Killed(Exception):
    pass


@pytest.mark.parametrize("killed_after", [0, 1, 2])
def test_a_resumed_cell_ends_bit_identical(pixels, tmp_path, killed_after):
    whole = trainer(pixels)
    expected = whole.train()

    def kill(epoch):
        if epoch == killed_after:
            raise Killed

    checkpoint = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Killed):
        trainer(pixels).train(checkpoint, checkpoint_seconds=0, after_epoch=kill)
    assert checkpoint.exists()
    resumed = trainer(pixels)
    started = []
    outcome = resumed.train(checkpoint, after_epoch=started.append)
    assert started[0] == killed_after + 1
    assert without_time(outcome.rows) == without_time(expected.rows)
    assert same_weights(whole, resumed)


@pytest.mark.parametrize("keep", [0, 1, 7, 100, 0.5, 0.999])
def test_a_truncated_checkpoint_starts_the_cell_again(pixels, tmp_path, keep):
    checkpoint = tmp_path / "checkpoint.safetensors"
    trainer(pixels).train(checkpoint, checkpoint_seconds=0)
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    whole, resumed = trainer(pixels), trainer(pixels)
    assert without_time(whole.train().rows) == without_time(resumed.train(checkpoint).rows)


def test_a_loss_that_is_not_finite_ends_as_diverged(pixels):
    settings = SETTINGS.model_copy(update={"learning_rate": 1e30})
    outcome = trainer(pixels, "none", settings=settings).train()
    assert outcome.status == "diverged"
    assert [row["epoch"] for row in outcome.rows[:2]] == [-1, -1]


def test_the_best_weights_are_reloaded_at_a_halving(pixels):
    settings = SETTINGS.model_copy(update={"halve_every": 2, "epochs": 3})
    subject = trainer(pixels, "none", settings=settings)
    seen = {}
    state = subject.state

    def watch(epoch):
        if epoch == 1:
            # Make an earlier, recognisable network the best one.
            state.best_accuracy = 2.0
            state.best_weights = {k: torch.zeros_like(v) for k, v in state.best_weights.items()}
            for group in state.optimiser.param_groups:
                group["lr"] = 0.0
            seen["momentum"] = len(state.optimiser.state)

    subject.learning_rate = lambda epoch: 0.0 if epoch == 2 else 0.01
    subject.train(after_epoch=watch)
    assert seen["momentum"] > 0
    assert not any(p.any() for p in subject.network.parameters())


def test_the_first_pass_fills_batch_norm_without_learning(pixels):
    subject = trainer(pixels)
    before = {name: p.clone() for name, p in subject.network.named_parameters()}
    subject._fill_batch_norm_statistics()
    assert all(torch.equal(before[name], p) for name, p in subject.network.named_parameters())
    norms = [m for m in subject.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all(norm.num_batches_tracked == 4 for norm in norms)
