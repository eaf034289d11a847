import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advdim.config.training import Measurement
from advdim.measures import accuracy, measure
from advdim.perturbations import pgd_linf, uniform_start
from advdim.streams import stream


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    )


def batches(count=10, size=4):
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(count, 1, 6, 6, generator=generator)
    labels = torch.randint(0, 3, (count,), generator=generator)
    return list(zip(inputs.split(size), labels.split(size), strict=True))


SETTINGS = Measurement(steps=3, relative_step=0.5)


def measured(network, parts, threshold=0.3, settings=SETTINGS):
    return measure(network, parts, settings, threshold, stream("noise"), stream("start"))


def test_measures_against_a_loop_over_samples(network):
    averages = measured(network, batches()).averages()
    network.eval()
    rows = []
    for inputs, labels in batches(size=1):
        variable = inputs.clone().requires_grad_()
        logits = network(variable)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        delta = pgd_linf(network, inputs, labels, 0.3, steps=3, relative_step=0.5)
        after = network(inputs + delta)
        prediction = logits.argmax(1)
        away = pgd_linf(network, inputs, prediction, 0.3, steps=3, relative_step=0.5)
        rows.append(
            {
                "accuracy": float(logits.argmax() == labels),
                "loss": loss.item(),
                "grad_l1": variable.grad.abs().sum().item(),
                "grad_l2": variable.grad.square().sum().sqrt().item(),
                "grad_nonzero": (variable.grad != 0).float().mean().item(),
                "vulnerability": float(network(inputs + away).argmax() != prediction),
                "vulnerability_of_label": float(after.argmax() != prediction),
                "damage": (F.cross_entropy(after, labels) - loss).item(),
                "adversarial_accuracy": float(after.argmax() == labels),
            }
        )
    for name in rows[0]:
        expected = sum(row[name] for row in rows) / len(rows)
        assert averages[name] == pytest.approx(expected, rel=1e-4, abs=1e-6), name


def labelled(network, wrong, count=4):
    """Return one batch whose first ``wrong`` labels are not what the network predicts."""
    ((inputs, _),) = batches(count=count, size=count)
    labels = network.eval()(inputs).argmax(1)
    labels[:wrong] = (labels[:wrong] + 1) % 3
    return [(inputs, labels)]


@pytest.mark.parametrize("random_start", [False, True])
def test_the_prediction_is_attacked_whatever_the_label(network, random_start):
    """On right images the two attacks are one; wrong ones change as if they were right."""
    settings = SETTINGS.model_copy(update={"random_start": random_start})
    right = measured(network, labelled(network, 0, 10), settings=settings)
    assert torch.equal(right.adversarial_prediction, right.label_attack_prediction)
    changed = right.adversarial_prediction != right.prediction
    assert 0 < changed.sum() < 10
    some_wrong = measured(network, labelled(network, 6, 10), settings=settings)
    assert torch.equal(some_wrong.adversarial_prediction, right.adversarial_prediction)
    on_label = some_wrong.label_attack_prediction
    assert torch.equal(on_label[6:], right.label_attack_prediction[6:])
    assert not torch.equal(on_label, right.label_attack_prediction)


def test_of_a_linear_network_of_two_classes_both_vulnerabilities_are_known():
    """A step of the threshold moves the margin by the l1-norm of the weights' difference."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    inputs = torch.cat([inputs for inputs, _ in batches(count=60)])
    logits = network(inputs).detach()
    labels = torch.arange(60) % 2
    difference = (network[1].weight[0] - network[1].weight[1]).detach()
    within = (logits[:, 0] - logits[:, 1]).abs() < 0.1 * difference.abs().sum()
    right = logits.argmax(1) == labels
    averages = measured(network, [(inputs, labels)], threshold=0.1).averages()
    assert averages["vulnerability"] == pytest.approx(float(within.float().mean()))
    # Raising the label's loss, an image that is wrong only becomes more so.
    of_label = float((within & right).float().mean())
    assert averages["vulnerability_of_label"] == pytest.approx(of_label)
    assert 0 < of_label < averages["vulnerability"] < 1


@pytest.mark.parametrize(("random_start", "passes"), [(False, 5), (True, 6)])
def test_no_gradient_is_computed_twice(network, random_start, passes):
    """Two gradients, three steps, the result; a first step from the image takes its gradient."""
    right, wrong = labelled(network, 0), labelled(network, 1)
    seen = []
    network.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    settings = SETTINGS.model_copy(update={"random_start": random_start})
    measured(network, right, settings=settings)
    assert seen == [4] * passes
    seen.clear()
    # One image is wrong: three steps and the result, for that one alone.
    measured(network, wrong, settings=settings)
    assert seen == [4] * passes + [1] * 4


def test_a_random_start_takes_its_own_first_gradient(network):
    ((inputs, labels),) = batches(count=4)
    network.eval()
    given = [
        pgd_linf(
            network, inputs, labels, 0.3, steps=1, relative_step=0.5,
            start=uniform_start(inputs, 0.3, stream("start")), gradient=gradient,
        )
        for gradient in (None, -torch.ones_like(inputs))
    ]  # fmt: skip
    assert torch.equal(*given)


def test_a_linear_networks_gradient_norm_is_known():
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    parts = batches(size=10)
    parts = [(inputs, labels.clamp_max(1)) for inputs, labels in parts]
    sample = measured(network, parts)
    inputs, labels = parts[0]
    wrong = 1 - F.softmax(network(inputs), 1).gather(1, labels[:, None])[:, 0]
    difference = (network[1].weight[0] - network[1].weight[1]).detach()
    torch.testing.assert_close(sample.grad_l1, (wrong * difference.abs().sum()).detach())
    torch.testing.assert_close(sample.grad_l2, (wrong * difference.norm()).detach())


def test_lemma_2_damage_over_epsilon_is_the_l1_norm(network):
    averages = measured(network, batches(), threshold=1e-3).averages()
    assert averages["damage"] / 1e-3 == pytest.approx(averages["grad_l1"], rel=0.02)


def test_threshold_zero_does_nothing(network):
    averages = measured(network, batches(), threshold=0.0).averages()
    assert (averages["vulnerability"], averages["damage"]) == (0.0, 0.0)
    assert averages["adversarial_accuracy"] == averages["accuracy"]


def test_ties_are_broken_by_the_noise():
    network = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(9, 3))
    parts = [(torch.ones(5, 1, 6, 6), torch.arange(5) % 3)]
    sample = measured(network, parts)
    assert sample.grad_nonzero.tolist() == [0.25] * 5
    torch.testing.assert_close(sample.grad_l1, sample.grad_l1_untied, rtol=1e-3, atol=1e-5)


def test_the_network_is_left_as_it_was(network):
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    measured(network, batches())
    assert accuracy(network, batches()) <= 1
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


def test_batch_size_does_not_matter(network):
    one, two = measured(network, batches(size=3)), measured(network, batches(size=10))
    torch.testing.assert_close(one.grad_l1, two.grad_l1)
    assert torch.equal(one.adversarial_prediction, two.adversarial_prediction)
