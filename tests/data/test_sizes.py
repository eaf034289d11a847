"""Images of several sizes: refused by name without ``native_size``, whichever comes first."""

import numpy as np
import pytest
import torch
from PIL import Image

from advdim.config.data import FolderDataset
from advdim.data.errors import DataError
from advdim.data.prepare import prepare

LARGE, SMALL = 16, 4
DIFFER = (
    r"^Dataset 'mine': Images differ in size: \S+\.png has (4x4|16x16) pixels and "
    r"\S+\.png has (4x4|16x16); 'native_size' brings all to one square\.$"
)


@pytest.fixture
def tree(tmp_path):
    """Photographs of 16 pixels; those that are named have the size (height, width) given."""

    def make(sizes=(), **settings):
        random = np.random.default_rng(0)
        for split in ("train", "test"):
            for path in (f"{split}/{name}/{k}.png" for name in "ab" for k in range(6)):
                height, width = dict(sizes).get(path, (LARGE, LARGE))
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                levels = random.integers(0, 256, (height, width, 3), np.uint8)
                Image.fromarray(levels).save(tmp_path / path)
        return FolderDataset(source="folder", root=tmp_path, **settings)

    return make


@pytest.mark.parametrize("corrupt", ["refuse", "skip"])
@pytest.mark.parametrize(
    "path", ["train/a/0.png", "train/a/1.png", "train/b/5.png", "test/b/2.png"]
)
def test_images_of_several_sizes_are_refused_whichever_comes_first(tree, path, corrupt):
    dataset = tree({path: (SMALL, SMALL)}, corrupt=corrupt)
    for size in (2, SMALL, LARGE, 4 * LARGE):
        with pytest.raises(DataError, match=DIFFER) as raised:
            prepare(dataset, "mine", size, threads=2)
        assert path in str(raised.value)


def test_sizes_are_told_as_width_by_height(tree):
    dataset = tree({"train/b/3.png": (20, 30)})
    with pytest.raises(DataError, match=r"b/3\.png has 30x20"):
        prepare(dataset, "mine", 8)


def test_an_image_that_is_not_chosen_decides_nothing(tree):
    dataset = tree(train_images=6)
    whole, _ = prepare(dataset, "mine", LARGE)
    chosen = {image.numpy().tobytes() for s in ("train", "validation") for image in whole.images[s]}
    left = [
        file
        for file in (dataset.root / "train").rglob("*.png")
        if np.asarray(Image.open(file)).transpose(2, 0, 1).tobytes() not in chosen
    ]
    assert len(left) == 6
    for level, file in enumerate(left):
        Image.new("RGB", (SMALL, SMALL), (level, 0, 0)).save(file)
    again, account = prepare(dataset, "mine", LARGE)
    assert (account["resizing"], again.factor) == ("identity", 1)
    assert torch.equal(again.images["train"], whole.images["train"])


def test_the_same_images_are_left_out_at_every_size(tree):
    dataset = tree({"train/a/0.png": (SMALL, SMALL)}, corrupt="skip", native_size=LARGE)
    (dataset.root / "train/a/1.png").write_bytes(b"text")
    for size in (SMALL, LARGE, 4 * LARGE):
        pixels, account = prepare(dataset, "mine", size)
        assert account["skipped"] == 1
        assert len(pixels.labels["train"]) + len(pixels.labels["validation"]) == 11


def test_images_of_one_oblong_size_are_fine(tree):
    oblong = {
        f"{s}/{n}/{k}.png": (12, 18) for s in ("train", "test") for n in "ab" for k in range(6)
    }
    pixels, account = prepare(tree(oblong), "mine", 6)
    assert pixels.size == 6
    assert account["resizing"] == "antialiased bilinear, centre crop"
    with pytest.raises(DataError, match="images have 18x12 pixels: size 24 is no multiple"):
        prepare(tree(oblong), "mine", 24)
