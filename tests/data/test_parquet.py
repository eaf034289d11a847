"""Parquet as it comes: each kind of file gets its right result, or one sentence that names it."""

import io
import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from advdim.config import ConfigError, load
from advdim.config.data import ParquetDataset
from advdim.data.errors import DataError
from advdim.data.prepare import prepare
from advdim.data.sources import open_source

EDGE = 4
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
TRAIN, TEST = [0, 1, 0, 1, 1, 0, 0, 1], [0, 1, 1]


def png(level: int, mode: str = "L") -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (EDGE, EDGE), level).convert(mode).save(buffer, "png")
    return buffer.getvalue()


def structs(levels, mode="L"):
    return pa.array([{"bytes": png(level, mode), "path": None} for level in levels], STRUCT)


def write(path, labels, images=None, names=None, image="image", label="label", **options):
    """Write one shard; image ``k`` of it has the grey level ``10 * k``."""
    images = structs(range(0, 10 * len(labels), 10)) if images is None else images
    labels = labels if isinstance(labels, pa.Array) else pa.array(labels)
    table = pa.table({image: images, label: labels})
    if names:
        features = {label: {"names": names, "_type": "ClassLabel"}}
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        table = table.replace_schema_metadata(metadata)
    pq.write_table(table, path, **options)


@pytest.fixture
def files(tmp_path):
    """Settings for ``train.parquet`` and ``test.parquet``, written as the keywords say."""

    def make(train=None, test=None, paths=(), **settings):
        write(tmp_path / "train.parquet", **{"labels": TRAIN, **(train or {})})
        write(tmp_path / "test.parquet", **{"labels": TEST, **(test or {})})
        settings |= {split: tmp_path / f"{split}.parquet" for split in ("train", "test")}
        settings |= dict(paths)
        return ParquetDataset(source="parquet", **settings)

    return make


def levels(images) -> list[int]:
    return [int(images[index][0, 0, 0]) for index in range(len(images))]


GOOD = {
    "integers": ({}, {}, TRAIN, ["0", "1"]),
    "int32": ({"labels": pa.array(TRAIN, pa.int32())}, {}, TRAIN, ["0", "1"]),
    "unsigned": ({"labels": pa.array(TRAIN, pa.uint64())}, {}, TRAIN, ["0", "1"]),
    "truth": ({"labels": [label == 1 for label in TRAIN]}, {}, TRAIN, ["0", "1"]),
    "class label": (
        {"names": ["cat", "dog", "eel"]},
        {"names": ["cat", "dog", "eel"]},
        TRAIN,
        ["cat", "dog", "eel"],
    ),
    "names in one split": ({"names": ["cat", "dog"]}, {}, TRAIN, ["cat", "dog"]),
    "text": (
        {"labels": ["zebra", "ant"] * 4},
        {"labels": ["ant", "zebra", "ant"]},
        [1, 0] * 4,
        ["ant", "zebra"],
    ),
    "text that is named": (
        {"labels": ["zebra", "ant"] * 4, "names": ["zebra", "cow", "ant"]},
        {"labels": ["ant", "zebra", "ant"]},
        [0, 2] * 4,
        ["zebra", "cow", "ant"],
    ),
    "categories": (
        {"labels": pa.array(["b", "a"] * 4).dictionary_encode()},
        {"labels": pa.array(["a", "b", "a"]).dictionary_encode()},
        [1, 0] * 4,
        ["a", "b"],
    ),
    "test lacks a class": (
        {"labels": [0, 1, 2, 0, 1, 2, 0, 1]},
        {"labels": [0, 0, 1]},
        [0, 1, 2, 0, 1, 2, 0, 1],
        ["0", "1", "2"],
    ),
    "test lacks a class of text": (
        {"labels": ["a", "b"] * 4},
        {"labels": ["a", "a", "a"]},
        [0, 1] * 4,
        ["a", "b"],
    ),
    "bytes": ({"images": pa.array([png(10 * k) for k in range(8)])}, {}, TRAIN, ["0", "1"]),
    "large bytes": (
        {"images": pa.array([png(10 * k) for k in range(8)], pa.large_binary())},
        {},
        TRAIN,
        ["0", "1"],
    ),
    "row groups": ({"row_group_size": 3}, {"row_group_size": 1}, TRAIN, ["0", "1"]),
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_kind_of_labels_and_images_is_read(files, kind):
    train, test, numbers, names = GOOD[kind]
    dataset = files(train, test)
    assert dataset.missing() is None
    assert dataset.image_counts() == (8, 3)
    splits = open_source(dataset)
    assert splits["train"].labels.tolist() == numbers
    assert splits["train"].class_names == splits["test"].class_names == names
    assert levels(splits["train"]) == list(range(0, 80, 10))


BAD = {
    "unnamed, negative": (
        {"labels": [0, 1, -1, 0, 1, 0, 1, 0]},
        {},
        {},
        r"row 2 \(from 0\) of '.*train\.parquet' has label -1; allowed are 0 and above",
    ),
    "unlabelled test set": (
        {"names": ["cat", "dog"]},
        {"labels": [-1] * 3},
        {},
        r"row 0 .*test\.parquet' has label -1; allowed are 0 to 1 \('cat', 'dog'\)",
    ),
    "out of range": (
        {"names": ["cat", "dog"], "labels": [0, 2] * 4},
        {},
        {},
        r"row 1 .*train\.parquet' has label 2; allowed are 0 to 1 \('cat', 'dog'\)",
    ),
    "null": (
        {"labels": [0, 1, 0, None, 1, 0, 1, 0]},
        {},
        {},
        r"row 3 .*train\.parquet' has label null",
    ),
    "null text": (
        {"labels": ["a", "b", "a", None, "a", "b", "a", "b"]},
        {"labels": ["a", "b", "a"]},
        {},
        r"row 3 .*train\.parquet' has label null",
    ),
    "lists": (
        {"labels": [[0], [1]] * 4},
        {},
        {},
        r"'label' of '.*train\.parquet' is list<.*allowed are integers and text",
    ),
    "floats": ({"labels": [0.0, 1.0] * 4}, {}, {}, r"is double; allowed are integers and text"),
    "integers and text": (
        {},
        {"labels": ["a", "b", "a"]},
        {},
        r"integers in '.*train\.parquet' and text in '.*test\.parquet'",
    ),
    "other names": (
        {"names": ["cat", "dog"]},
        {"names": ["dog", "cat"]},
        {},
        r"train\.parquet' and '.*test\.parquet' name the classes differently",
    ),
    "other columns": (
        {"image": "img"},
        {},
        {},
        r"image_column is 'img', but '.*test\.parquet' has columns image, label",
    ),
    "unknown column": (
        {},
        {},
        {"image_column": "picture"},
        r"image_column is 'picture', but '.*train\.parquet' has columns image, label",
    ),
    "no images": (
        {"images": pa.array([[[0]]] * 8)},
        {},
        {},
        r"'image' of '.*train\.parquet' is list<.*allowed are bytes, paths, and struct",
    ),
    "no rows": ({}, {"labels": pa.array([], pa.int64())}, {}, r"the files of test hold no row"),
    "not there": (
        {},
        {},
        {"paths": {"test": "none.parquet"}},
        r"test names 'none\.parquet', which does not",
    ),
    "no match": (
        {},
        {},
        {"paths": {"test": "x-*.parquet"}},
        r"test names 'x-\*\.parquet', which matches no",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_kind_that_cannot_be_used_is_refused_by_check(files, kind, raw_config):
    train, test, settings, sentence = BAD[kind]
    dataset = files(train, test, **settings)
    raw_config["datasets"]["digits"] = json.loads(dataset.model_dump_json())
    raw_config["initialisation"] = {}
    with pytest.raises(
        ConfigError, match=rf"^Config key 'datasets\.digits': .*{sentence}[^\n]*\.$"
    ):
        load(raw_config)


LATE = {
    "class in test only": (
        {"labels": ["a", "b"] * 4},
        {"labels": ["a", "b", "c"]},
        r"Class 'c' is in test only",
    ),
    "numbers of rows": ({"labels": [7_000_000] * 8}, {}, r"go up to 7000000, more classes than"),
    "null image": (
        {"images": pa.array([{"bytes": None, "path": None}] * 8, STRUCT)},
        {},
        r"Image 0 of .*train\.parquet cannot be decoded: it is null",
    ),
    "lost file": (
        {"images": pa.array([{"bytes": None, "path": "lost.png"}] * 8, STRUCT)},
        {},
        r"Image 0 of .*train\.parquet \(lost\.png\) cannot be decoded: .*No such file",
    ),
    "no image": (
        {"images": pa.array([{"bytes": b"text", "path": None}] * 8, STRUCT)},
        {},
        r"Image 0 of .*train\.parquet cannot be decoded: it is of no known kind",
    ),
}


@pytest.mark.parametrize("kind", LATE)
def test_what_only_the_content_shows_is_refused_when_it_is_read(files, kind):
    train, test, sentence = LATE[kind]
    with pytest.raises(DataError, match=sentence):
        prepare(files(train, test), "mine", EDGE)


CHEAP = """
import sys
from advdim.config.data import FolderDataset, ParquetDataset
paths = {split: f"{sys.argv[1]}/{split}.parquet" for split in ("train", "test")}
parquet = ParquetDataset(source="parquet", **paths)
assert parquet.missing() is None and parquet.image_counts() == (8, 3)
assert FolderDataset(source="folder", root=sys.argv[1]).missing()
assert not {"torch", "PIL", "torchvision"} & set(sys.modules)
"""


def test_checking_imports_nothing_that_decodes(files, tmp_path):
    files()
    subprocess.run([sys.executable, "-c", CHEAP, str(tmp_path)], check=True)


def test_shards_of_several_types_in_the_order_of_their_names(files, tmp_path):
    for number, kind in enumerate((pa.int64(), pa.int32(), pa.int8())):
        images = structs([100 * number + k for k in range(4)] if number < 2 else [250] * 4)
        write(tmp_path / f"data-{2 - number}.parquet", pa.array([0, 1] * 2, kind), images)
    dataset = files(train=None, test=None).model_copy(
        update={"train": [tmp_path / "data-*.parquet"]}
    )
    assert dataset.missing() is None
    assert dataset.image_counts() == (12, 3)
    assert {place: file.name for place, file in dataset.files().items()} == {
        **{f"train/{number}": f"data-{number}.parquet" for number in range(3)},
        "test/0": "test.parquet",
    }
    found = levels(open_source(dataset)["train"])
    assert found == [250] * 4 + [100, 101, 102, 103] + [0, 1, 2, 3]


def test_one_file_in_both_splits_is_refused(files, tmp_path):
    dataset = files(test=None).model_copy(update={"test": [tmp_path / "train.parquet"]})
    assert "train and test both name" in dataset.missing()


def test_a_folder_is_told_how_to_name_its_files(files, tmp_path):
    dataset = files().model_copy(update={"train": [tmp_path]})
    assert f"{str(tmp_path / '*.parquet')!r} names its files" in dataset.missing()


@pytest.mark.parametrize(
    ("image", "label", "settings"),
    [
        ("img", "label", {}),
        ("picture", "fine_label", {}),
        ("image", "target", {}),
        ("jpg.bytes", "cls", {"image_column": "jpg.bytes", "label_column": "cls"}),
    ],
)
def test_columns_of_other_names(files, image, label, settings):
    columns = {"image": image, "label": label}
    dataset = files(columns, columns, **settings)
    assert dataset.missing() is None
    assert levels(open_source(dataset)["train"])[:2] == [0, 10]


def test_two_columns_of_labels_need_a_key(files, tmp_path):
    table = pa.table({"img": structs(range(8)), "fine_label": [0, 1] * 4, "coarse_label": [0] * 8})
    for split in ("train", "test"):
        pq.write_table(table.slice(0, 8 if split == "train" else 4), tmp_path / f"{split}.pq")
    paths = {"train": tmp_path / "train.pq", "test": tmp_path / "test.pq"}
    ambiguous = files(paths=paths)
    assert ambiguous.missing().endswith(
        "has columns img, fine_label, coarse_label; label_column says which holds the labels"
    )
    assert files(paths=paths, label_column="fine_label").missing() is None


@pytest.mark.parametrize("kind", ["struct", "text"])
def test_paths_are_relative_to_the_file(files, tmp_path, kind):
    (tmp_path / "images").mkdir()
    for number in range(8):
        (tmp_path / f"images/{number}.png").write_bytes(png(3 * number))
    paths = [f"images/{number}.png" for number in range(8)]
    images = pa.array(paths)
    if kind == "struct":
        images = pa.array([{"bytes": None, "path": path} for path in paths], STRUCT)
    dataset = files({"images": images})
    assert dataset.missing() is None
    assert levels(open_source(dataset)["train"]) == list(range(0, 24, 3))


@pytest.mark.parametrize("where", ["train", "test"])
def test_grey_and_colour_are_decided_over_both_splits(files, where):
    count = {"train": 8, "test": 3}[where]
    coloured = {where: {"images": structs(range(count), "RGB")}}
    pixels, _ = prepare(files(**coloured), "mine", EDGE)
    assert {images.shape[1] for images in pixels.images.values()} == {3}
    grey, _ = prepare(files(), "mine", EDGE)
    assert {images.shape[1] for images in grey.images.values()} == {1}


def test_images_land_in_the_order_asked_for_whatever_the_row_groups(files):
    one = prepare(files({"row_group_size": 8}), "mine", EDGE)[0]
    several = prepare(files({"row_group_size": 3}), "mine", EDGE, threads=3)[0]
    for split in ("train", "validation", "test"):
        assert one.images[split].tolist() == several.images[split].tolist()
        assert one.labels[split].tolist() == several.labels[split].tolist()


def test_each_row_group_is_read_once(files, monkeypatch):
    dataset = files({"row_group_size": 2})
    images = open_source(dataset)["train"]
    read = []
    whole = pq.ParquetFile.iter_batches

    def counted(self, *arguments, row_groups, **options):
        read.extend(row_groups)
        return whole(self, *arguments, row_groups=row_groups, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    places = [place for place, _, _ in images.visits(np.array([7, 0, 3, 6]))]
    assert places == [1, 2, 3, 0]
    assert read == [0, 1, 3]


def test_images_that_cannot_be_decoded_are_left_out(files):
    images = structs(range(0, 80, 10)).to_pylist()
    images[2]["bytes"] = b"text"
    dataset = files({"images": pa.array(images, STRUCT)}, corrupt="skip")
    pixels, account = prepare(dataset, "mine", EDGE)
    assert account["skipped"] == 1
    kept = [int(image.flatten()[0]) for s in ("train", "validation") for image in pixels.images[s]]
    assert sorted(kept) == [0, 10, 30, 40, 50, 60, 70]
    by_level = dict(zip(range(0, 80, 10), TRAIN, strict=True))
    for split in ("train", "validation"):
        for image, label in zip(pixels.images[split], pixels.labels[split], strict=True):
            assert by_level[int(image.flatten()[0])] == label


MEMORY = """
import sys
import numpy as np
from pathlib import Path
from advdim.config.data import ParquetDataset
from advdim.data.decoding import Decoder
from advdim.data.sources import open_source
folder = Path(sys.argv[1])
paths = {split: folder / f"{split}.parquet" for split in ("train", "test")}
dataset = ParquetDataset(source="parquet", **paths)
images = open_source(dataset)["train"]
Decoder(4).stack(images, np.array([0]))

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

before = peak()
stacked, _ = Decoder(4).stack(images, np.arange(len(images))[::-1])
assert len(stacked) == 120
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak")
def test_memory_does_not_grow_with_the_file(files, tmp_path):
    """120 images of 1 MB each, in one row group."""
    random = np.random.default_rng(0)
    content = [png(k) + random.bytes(1_000_000) for k in range(120)]
    files(test={"labels": TEST})
    schema = pa.schema({"image": pa.binary(), "label": pa.int64()})
    columns = {"image": content, "label": [0, 1] * 60}
    # Pages of a few images, as writers of large values make them.
    options = {"use_dictionary": False, "write_batch_size": 1}
    pq.write_table(pa.table(columns, schema), tmp_path / "train.parquet", **options)
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert float(run.stdout) < 60
