"""Folders as they are: what counts as a photograph, which classes there are, and what is twice."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advdim.config import ConfigError, load
from advdim.config.data import FolderDataset
from advdim.config.data.listing import SUFFIXES
from advdim.data.contents import Contents, files_of
from advdim.data.errors import DataError
from advdim.data.prepare import prepare
from advdim.data.sources import open_source
from advdim.data.sources.overlaps import contents

EDGE = 6
ACCENTED = "caf\u00e9"
# A tree that is fine; every test adds to it.
CLEAN = [
    f"{split}/{name}/{k}.png" for split in ("train", "test") for name in "ab" for k in range(3)
]


def paint(file, seed: int, mode: str = "L") -> None:
    random = np.random.default_rng(seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    levels = random.integers(0, 256, (EDGE, EDGE), np.uint8)
    kind = file.suffix[1:].lower().replace("jpg", "jpeg").replace("tif", "tiff")
    Image.fromarray(levels).convert(mode).save(file, kind.replace("tifff", "tiff"))


@pytest.fixture
def tree(tmp_path):
    """A folder in which each path is a photograph of its own, but for names that are none."""

    def make(*paths, **settings):
        for seed, path in enumerate([*CLEAN, *paths]):
            file = tmp_path / path
            if path.endswith("/"):
                file.mkdir(parents=True)
            elif file.suffix.lower() in SUFFIXES:
                paint(file, seed)
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(b"\0\1")
        return FolderDataset(source="folder", root=tmp_path, native_size=EDGE, **settings)

    return make


def both(path: str) -> list[str]:
    return [f"train/{path}", f"test/{path}"]


FINE = {
    "notebook server": (both(".ipynb_checkpoints/1-checkpoint.png"), ["a", "b"], 6),
    "archive from a Mac": (both("__MACOSX/a/._1.png"), ["a", "b"], 6),
    "network drive": (both("@eaDir/1.png") + both("a/@eaDir/1.png"), ["a", "b"], 6),
    "in a class": (both("a/.DS_Store") + both("a/Thumbs.db") + both("a/._0.png"), ["a", "b"], 6),
    "beside classes": (both(".DS_Store") + both("Thumbs.db") + both("0.png"), ["a", "b"], 6),
    "hidden class": (both(".c/1.png"), ["a", "b"], 6),
    "notes": (["train/a/notes.txt"], ["a", "b"], 6),
    "upper case": (["train/a/X.PNG", "train/b/Y.TIF", "train/b/Z.JPG"], ["a", "b"], 9),
    "folders in a class": (["train/a/2019/1.png", "train/a/2020/spring/1.png"], ["a", "b"], 8),
    "not ASCII": (both(f"{ACCENTED}/\u732b.png"), ["a", "b", ACCENTED], 7),
    "two ways to write an accent": (
        [f"train/{ACCENTED}/1.png", f"test/{unicodedata.normalize('NFD', ACCENTED)}/2.png"],
        ["a", "b", ACCENTED],
        7,
    ),
    "spaces and quotes": (both("it's a b/1 2.png"), ["a", "b", "it's a b"], 7),
}


@pytest.mark.parametrize("kind", FINE)
def test_a_kind_of_folder_is_read(tree, kind):
    paths, classes, count = FINE[kind]
    dataset = tree(*paths)
    assert dataset.missing() is None
    splits = open_source(dataset)
    assert splits["train"].class_names == splits["test"].class_names == classes
    assert dataset.image_counts() == (len(splits["train"]), len(splits["test"]))
    assert len(splits["train"]) == count
    prepare(dataset, "mine", EDGE)


REFUSED = {
    "empty class": (
        both("c/"),
        r"train' holds no photograph of class 'c'; photographs end in \.jpg",
    ),
    "empty in test": (["train/c/1.png", "test/c/"], r"test' holds no photograph of class 'c'"),
    "a phone's": (
        both("c/1.HEIC"),
        r"no photograph of class 'c'; .* and others \(\.heic\) are left out",
    ),
    "class in train only": (
        ["train/c/1.png"],
        r"differ in their classes: class 'c' in 'train' only",
    ),
    "class in test only": (["test/c/1.png"], r"differ in their classes: class 'c' in 'test' only"),
    "other names": (
        ["train/c/1.png", "test/d/1.png"],
        r"class 'c' in 'train' only and class 'd' in 'test' only",
    ),
    "many": (
        [f"train/x{k}/1.png" for k in range(9)],
        r"class 'x0', 'x1', 'x2' and 6 more in 'train'",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_kind_of_folder_is_refused_by_check(tree, kind, raw_config):
    paths, sentence = REFUSED[kind]
    dataset = tree(*paths)
    with pytest.raises(DataError, match=sentence):
        open_source(dataset)
    raw_config["datasets"]["digits"] = {"source": "folder", "root": str(dataset.root)}
    with pytest.raises(ConfigError, match=rf"^Config key 'datasets\.digits': .*{sentence}.*\.$"):
        load(raw_config)


def test_one_class_is_refused_by_check(tmp_path, raw_config):
    """As one level too deep there is the folder of all classes."""
    for split in ("train", "test"):
        for name in ("a", "b"):
            paint(tmp_path / split / "images" / name / "1.png", 0)
    raw_config["datasets"]["digits"] = {"source": "folder", "root": str(tmp_path)}
    with pytest.raises(ConfigError, match=r"^Config key 'datasets\.digits': there is one class"):
        load(raw_config)


def test_photographs_without_a_class_are_told_the_layout(tmp_path):
    for split in ("train", "test"):
        paint(tmp_path / split / "1.png", 0)
    dataset = FolderDataset(source="folder", root=tmp_path)
    assert dataset.missing().endswith("have no class: the layout is SPLIT/CLASS/FILE")


def test_a_folder_that_is_not_there_is_named_whenever_it_is_looked_for(tree, tmp_path):
    dataset = tree(classes={"pet": ["a", "lily"]})
    assert "classes.pet names 'lily'" in dataset.missing()
    with pytest.raises(DataError, match=r"Folder '.*train/lily' cannot be read: No such file"):
        open_source(dataset)
    lost = dataset.model_copy(update={"train": "learn", "classes": {}})
    assert lost.missing() == f"root {str(tmp_path)!r} has no folder 'learn'"
    with pytest.raises(DataError, match=r"Folder '.*learn' cannot be read"):
        open_source(lost)


def test_hidden_lists_are_no_classes(tree, tmp_path):
    dataset = tree(lists=tmp_path / "lists")
    for split in ("train", "test"):
        (tmp_path / "lists" / split).mkdir(parents=True)
        (tmp_path / "lists" / split / "a.txt").write_text(f"# x\n{split}/a/0.png\n\n")
        (tmp_path / "lists" / split / "._a.txt").write_bytes(b"\0\xff")
    assert dataset.missing() is None
    assert dataset.image_counts() == (1, 1)
    assert len(dataset.files()) == 2


def test_links_are_followed_and_loops_are_not(tree, tmp_path):
    paint(tmp_path / "elsewhere/1.png", 100)
    paint(tmp_path / "elsewhere/2.png", 101)
    dataset = tree()
    (tmp_path / "train/c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "test/c").mkdir()
    paint(tmp_path / "elsewhere3.png", 102)
    (tmp_path / "test/c/3.png").symlink_to("../../elsewhere3.png")
    (tmp_path / "train/a/loop").symlink_to(tmp_path / "train/a")
    assert dataset.missing() is None
    assert dataset.image_counts() == (8, 7)
    assert len(open_source(dataset)["train"]) == 8


def test_a_link_to_nowhere_is_named(tree, tmp_path):
    dataset = tree()
    (tmp_path / "train/a/lost.png").symlink_to("nowhere.png")
    with pytest.raises(DataError, match=r"train/a/lost\.png cannot be decoded: .*No such file"):
        prepare(dataset, "mine", EDGE)


def test_a_name_that_is_no_text_can_be_printed(tree, tmp_path):
    dataset = tree()
    with open(os.fsencode(tmp_path / "train/a/") + b"/\xe9.png", "wb") as file:
        file.write(b"text")
    with pytest.raises(DataError, match=r"a/\\udce9\.png cannot be decoded") as raised:
        prepare(dataset, "mine", EDGE)
    str(raised.value).encode()


COPIES = {
    "copied": lambda file, copy: copy.write_bytes(file.read_bytes()),
    "linked": lambda file, copy: copy.symlink_to(file),
    "hard-linked": lambda file, copy: copy.hardlink_to(file),
}


@pytest.mark.parametrize("how", COPIES)
def test_a_photograph_in_train_and_test_is_found_by_content(tree, tmp_path, how):
    dataset = tree()
    file, copy = tmp_path / "train/a/0.png", tmp_path / "test/a/other.png"
    COPIES[how](file, copy)
    with pytest.raises(DataError, match=r"1 photograph in train and in test, 0 in") as raised:
        open_source(dataset)
    assert f"{str(file)!r} and {str(copy)!r}" in str(raised.value)
    dropped = open_source(dataset.model_copy(update={"overlaps": "drop"}))
    assert (len(dropped["train"]), len(dropped["test"])) == (5, 7)
    assert "1 photograph in train and in test" in dropped["train"].remark
    kept = open_source(dataset.model_copy(update={"overlaps": "keep"}))
    assert (len(kept["train"]), len(kept["test"])) == (6, 7)


def test_a_photograph_in_two_classes_is_found_by_content(tree, tmp_path):
    dataset = tree()
    (tmp_path / "train/b/copy.png").write_bytes((tmp_path / "train/a/0.png").read_bytes())
    with pytest.raises(DataError, match=r"0 photographs in train and in test, 1 in several"):
        open_source(dataset)
    dropped = open_source(dataset.model_copy(update={"overlaps": "drop"}))["train"]
    assert np.bincount(dropped.labels).tolist() == [3, 3]


def test_the_same_photograph_twice_in_one_class_is_no_overlap(tree, tmp_path):
    dataset = tree()
    (tmp_path / "train/a/copy.png").write_bytes((tmp_path / "train/a/0.png").read_bytes())
    assert len(open_source(dataset)["train"]) == 7


def test_only_files_of_equal_size_are_read(tmp_path, monkeypatch):
    sizes = {"a": b"1", "b": b"22", "c": b"33", "d": b"22", "e": b"", "f": b""}
    for name, content in sizes.items():
        (tmp_path / name).write_bytes(content)
    read = []
    monkeypatch.setattr(
        "advdim.data.sources.overlaps.file_hash",
        lambda path: (read.append(os.path.basename(path)), Path(path).read_text())[1],
    )
    found = contents(str(tmp_path / name) for name in sizes)
    assert sorted(read) == ["b", "c", "d"]
    assert found[str(tmp_path / "b")] == found[str(tmp_path / "d")]
    assert len(set(found.values())) == 5


@pytest.mark.parametrize("where", ["train/a/0.png", "test/b/2.png"])
def test_grey_and_colour_are_decided_over_both_splits(tree, tmp_path, where):
    dataset = tree()
    assert prepare(dataset, "mine", EDGE)[0].channels == 1
    random = np.random.default_rng(7)
    Image.fromarray(random.integers(0, 256, (EDGE, EDGE, 3), np.uint8)).save(tmp_path / where)
    pixels, _ = prepare(dataset, "mine", EDGE)
    assert {images.shape[1] for images in pixels.images.values()} == {3}


def test_one_configuration_lists_each_folder_once(tree, raw_config, monkeypatch):
    raw_config["datasets"]["digits"] = {"source": "folder", "root": str(tree().root)}
    listed = []
    whole = os.scandir
    monkeypatch.setattr("os.scandir", lambda path: (listed.append(str(path)), whole(path))[1])
    config = load(raw_config)
    for _ in range(3):
        assert config.datasets["digits"].image_counts() == (6, 6)
    assert len(listed) == len(set(listed)) == 6


def test_counting_asks_for_no_file_s_properties(tree, monkeypatch):
    dataset = tree()
    asked = []
    whole = os.stat
    monkeypatch.setattr("os.stat", lambda path, **o: (asked.append(str(path)), whole(path, **o))[1])
    assert dataset.image_counts() == (6, 6)
    assert not [path for path in asked if path.endswith(".png")]


def test_a_second_configuration_sees_what_has_changed(tree, tmp_path):
    dataset = tree()
    assert dataset.image_counts() == (6, 6)
    paint(tmp_path / "train/a/new.png", 200)
    again = FolderDataset.model_validate(dataset.model_dump())
    assert again == dataset
    assert again.image_counts() == (7, 6)


def test_the_suffixes_are_those_of_torchvision():
    from advdim.data.torchvision_import import torchvision

    assert torchvision("datasets.folder").IMG_EXTENSIONS == SUFFIXES


def test_the_digest_of_the_images_is_of_the_photographs_that_are_used(tree, tmp_path):
    def content(**settings):
        return Contents(files_of(FolderDataset(source="folder", root=tmp_path, **settings))).content

    tree()
    before, of_merged = content(), content(classes={"c": ["a"]})
    tree(*both("a/.ipynb_checkpoints/1.png"), *both("a/@eaDir/1.png"), "train/a/notes.txt")
    for name in "ab":
        (tmp_path / f"train/{name}/back").symlink_to(tmp_path / f"train/{name}")
    assert content() == before
    paint(tmp_path / "train/b/1.png", 99)
    assert content() != before
    assert content(classes={"c": ["a"]}) == of_merged


def test_the_digest_of_images_in_lists_is_of_lists_and_photographs(tree, tmp_path):
    for path in CLEAN:
        split, name, _ = path.split("/")
        (tmp_path / "lists" / split).mkdir(parents=True, exist_ok=True)
        with (tmp_path / "lists" / split / f"{name}.txt").open("a") as file:
            file.write(f"{path}\n")
    dataset = tree(lists=tmp_path / "lists")
    found = dict(files_of(dataset))
    assert set(found) == {*both("a.txt"), *both("b.txt"), *CLEAN}
    assert found["train/a/0.png"] == tmp_path / "train/a/0.png"


def test_images_that_cannot_be_listed_have_the_digest_of_none(tmp_path):
    assert not dict(files_of(FolderDataset(source="folder", root=tmp_path / "gone")))
