import pytest
import torch
from tests.data.test_pixels import materialised

from advdim.config.convolutional import ConvolutionalNetwork
from advdim.config.data import Augmentation, DigitsDataset
from advdim.config.training import Training
from advdim.data.prepare import prepare
from advdim.networks.build import Shape, build
from advdim.streams import stream
from advdim.training.checkpoint import resume
from advdim.training.loop import Interrupted, Trainer
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
    return Trainer(network, pixels, function, epsilon, 0.004, settings, augmentation, owner)


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
    small, large = trainer(pixels, method), trainer(materialised(pixels), method)
    assert without_time(small.train().rows) == without_time(large.train().rows)
    assert same_weights(small, large)


def stop_after(asked):
    """Return a ``stop_requested`` that says yes once it has been asked so many times."""
    times = iter(range(asked))
    return lambda: next(times, None) is None


# It is asked before each batch: four that fill batch norm's statistics, two at the first
# measurement, then four an epoch, one of validation, and two more where the epoch is measured.
@pytest.mark.parametrize("asked", [0, 3, 4, 5, 6, 7, 10, 11, 12, 15, 17, 18, 30])
@pytest.mark.parametrize("method", ["pgd_linf", "none"])
def test_a_cell_stopped_between_any_two_batches_ends_bit_identical(pixels, tmp_path, asked, method):
    whole = trainer(pixels, method)
    expected = whole.train()
    checkpoint = tmp_path / "checkpoint.safetensors"
    stopped = trainer(pixels, method)
    stopped.stop_requested = stop_after(asked)
    with pytest.raises(Interrupted):
        stopped.train(checkpoint)
    resumed = trainer(pixels, method)
    outcome = resumed.train(checkpoint)
    assert without_time(outcome.rows) == without_time(expected.rows)
    assert same_weights(whole, resumed)
    for split, samples in expected.samples.items():
        assert torch.equal(samples.label_attack_loss, outcome.samples[split].label_attack_loss)


@pytest.fixture(scope="module")
def written_checkpoint(pixels, tmp_path_factory):
    checkpoint = tmp_path_factory.mktemp("checkpoint") / "checkpoint.safetensors"
    stopped = trainer(pixels)
    stopped.stop_requested = stop_after(9)
    with pytest.raises(Interrupted):
        stopped.train(checkpoint)
    return checkpoint.read_bytes()


@pytest.mark.parametrize("share", [0, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.9999])
def test_a_truncated_checkpoint_starts_the_cell_again(
    pixels, tmp_path, written_checkpoint, share, caplog
):
    checkpoint = tmp_path / "checkpoint.safetensors"
    checkpoint.write_bytes(written_checkpoint[: int(share * len(written_checkpoint))])
    state = trainer(pixels).state
    assert not resume(checkpoint, state)
    assert state.epoch == state.batch == 0
    assert "is damaged" in caplog.text


def test_a_truncation_at_any_byte_is_noticed(pixels, tmp_path, written_checkpoint):
    checkpoint, state = tmp_path / "checkpoint.safetensors", trainer(pixels).state
    for end in range(0, len(written_checkpoint), 97):
        checkpoint.write_bytes(written_checkpoint[:end])
        assert not resume(checkpoint, state)


def test_a_checkpoint_that_cannot_be_written_costs_no_cell(pixels, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    subject = trainer(pixels)
    subject.checkpoint_seconds = 0
    assert subject.train(blocked / "checkpoint.safetensors").status == "done"
    assert "cannot be written" in caplog.text


def test_a_loss_that_is_not_finite_ends_as_diverged(pixels):
    settings = SETTINGS.model_copy(update={"learning_rate": 1e30})
    outcome = trainer(pixels, "none", settings=settings).train()
    assert outcome.status == "diverged"
    assert [row["epoch"] for row in outcome.rows[:2]] == [-1, -1]


def test_the_best_weights_are_reloaded_at_a_halving(pixels):
    settings = SETTINGS.model_copy(update={"halve_every": 2, "epochs": 3})
    subject = trainer(pixels, "none", settings=settings)
    subject.learning_rate = lambda epoch: 0.0 if epoch == 2 else 0.01
    remember = subject.state.remember_if_best

    def remember_zeros(accuracy):
        # An earlier, recognisable network is the best one from the first epoch on.
        remember(accuracy)
        weights = subject.state.best_weights
        subject.state.best_weights = {name: torch.zeros_like(w) for name, w in weights.items()}

    subject.state.remember_if_best = remember_zeros
    subject.train()
    assert subject.state.descent.velocities
    assert not any(p.any() for p in subject.network.parameters())


def test_the_first_pass_fills_batch_norm_without_learning(pixels):
    subject = trainer(pixels)
    before = {name: p.clone() for name, p in subject.network.named_parameters()}
    subject._fill_batch_norm_statistics()
    assert all(torch.equal(before[name], p) for name, p in subject.network.named_parameters())
    norms = [m for m in subject.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all(norm.num_batches_tracked == 4 for norm in norms)


def test_every_batch_of_every_pass_asks_whether_to_stop(pixels):
    subject, asked, passes = trainer(pixels), [], []
    subject.stop_requested = lambda: asked.append(subject.network.training)
    subject.network.register_forward_pre_hook(lambda *_: passes.append(len(asked)))
    subject._fill_batch_norm_statistics()
    assert (asked, passes) == ([True] * 4, [1, 2, 3, 4])
    subject._validate(0, 0.0)
    assert passes[4:] == [5]


def test_a_stop_while_validating_leaves_the_network_in_training(pixels):
    subject = trainer(pixels)
    subject.stop_requested = lambda: True
    subject.network.train()
    with pytest.raises(Interrupted):
        subject._validate(0, 0.0)
    assert subject.network.training


def test_weights_lost_in_the_last_step_end_as_diverged(pixels):
    settings = SETTINGS.model_copy(
        update={"learning_rate": 1e30, "epochs": 1, "batch_size": len(pixels.images["train"])}
    )
    subject = trainer(pixels, "none", settings=settings)
    outcome = subject.train()
    assert outcome.status == "diverged"
    assert {row["epoch"] for row in outcome.rows} == {-1}


@pytest.mark.parametrize("asked", [6, 8])
def test_a_cell_that_diverges_after_a_stop_keeps_the_samples_from_before(pixels, tmp_path, asked):
    settings = SETTINGS.model_copy(update={"learning_rate": 1e30})
    expected = trainer(pixels, "none", settings=settings).train()
    stopped = trainer(pixels, "none", settings=settings)
    stopped.stop_requested = stop_after(asked)
    with pytest.raises(Interrupted):
        stopped.train(tmp_path / "checkpoint.safetensors")
    outcome = trainer(pixels, "none", settings=settings).train(tmp_path / "checkpoint.safetensors")
    assert outcome.status == expected.status == "diverged"
    assert list(outcome.samples) == list(expected.samples) == ["train", "test"]
    for split, samples in expected.samples.items():
        for name, values in vars(samples).items():
            assert torch.equal(values, getattr(outcome.samples[split], name))


def dropping(pixels, owner=("cell", 0)):
    """A trainer of a network that draws random numbers by itself."""
    subject = trainer(pixels, "none", owner=owner)
    subject.network.insert(1, torch.nn.Dropout(0.3))
    return subject


@pytest.mark.parametrize("asked", [5, 7, 8, 10, 12, 14])
def test_a_stop_changes_nothing_where_the_network_draws_by_itself(pixels, tmp_path, asked):
    torch.manual_seed(1)
    whole = dropping(pixels)
    expected = whole.train()
    torch.manual_seed(2)
    before = torch.get_rng_state()
    stopped = dropping(pixels)
    stopped.stop_requested = stop_after(asked)
    with pytest.raises(Interrupted):
        stopped.train(tmp_path / "checkpoint.safetensors")
    resumed = dropping(pixels)
    outcome = resumed.train(tmp_path / "checkpoint.safetensors")
    assert without_time(outcome.rows) == without_time(expected.rows)
    assert same_weights(whole, resumed)
    assert torch.equal(torch.get_rng_state(), before)
