"""One small cell, for what is asked of every device."""

import pytest

from advdim.config.convolutional import ConvolutionalNetwork
from advdim.config.data import Augmentation, DigitsDataset
from advdim.config.training import Methods, Training
from advdim.data.prepare import prepare
from advdim.networks.build import Shape, build
from advdim.streams import stream
from advdim.training.loop import Trainer
from advdim.training.regularisers import objective

POOLED = ConvolutionalNetwork(
    layers=4, width=4, pool="max", pool_after=[2, 4], dilation="size / 8", head="global_max"
)
STRIDED = ConvolutionalNetwork(layers=4, width=4, strides=[1, 2, 2, 4])
SHORT = {
    "epochs": 2,
    "batch_size": 16,
    "measurement": {"every": 2, "summary_epochs": 1, "steps": 2, "images": 16},
}


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    return request.param


@pytest.fixture(scope="session")
def digits16():
    return prepare(DigitsDataset(source="digits", train_images=64, test_images=16), "digits", 16)[0]


@pytest.fixture
def cell(digits16):
    """Return a function that makes a trainer of one cell of two short epochs."""

    def made(method="pgd_linf", architecture=POOLED, device="cpu", recorded=False, **settings):
        owner = ("cell", method)
        network = build(architecture, Shape(1, 16, 10), stream(*owner, "initialisation"))
        return Trainer(
            network,
            digits16,
            objective(method, getattr(Methods(), method).model_dump()),
            0.01,
            0.004,
            Training.model_validate({**SHORT, **settings}),
            Augmentation(crop_padding=1, flip=True),
            owner,
            device,
            recorded=recorded,
        )

    return made
