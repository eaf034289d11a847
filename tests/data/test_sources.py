import io
import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from advdim.config.data import FolderDataset, ParquetDataset, TorchvisionDataset
from advdim.data.errors import DataError
from advdim.data.prepare import prepare
from advdim.data.sources import open_source


def images(count: int, edge: int = 6, channels: int = 3) -> np.ndarray:
    random = np.random.default_rng(count)
    return random.integers(0, 256, (count, edge, edge, channels), dtype=np.uint8).squeeze(
        -1 if channels == 1 else ()
    )


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "png")
    return buffer.getvalue()


def write_parquet(path, arrays, labels, metadata=None):
    column = pa.array(
        [{"bytes": png(array), "path": None} for array in arrays],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    table = pa.table({"image": column, "label": pa.array(labels, pa.int64())})
    pq.write_table(table.replace_schema_metadata(metadata), path)


@pytest.fixture
def parquet(tmp_path):
    train, test = images(12), images(5)
    metadata = {"class_names": json.dumps(["cat", "dog"])}
    write_parquet(tmp_path / "train.parquet", train, [0, 1] * 6, metadata)
    write_parquet(tmp_path / "test.parquet", test, [0, 1, 0, 1, 0], metadata)
    dataset = ParquetDataset(
        source="parquet", train=tmp_path / "train.parquet", test=tmp_path / "test.parquet"
    )
    return dataset, train, test


def test_parquet_images_come_back_bit_for_bit(parquet):
    dataset, train, _ = parquet
    source = open_source(dataset)["train"]
    assert source.class_names == ["cat", "dog"]
    for index, array in enumerate(train):
        assert np.array_equal(source[index], array.transpose(2, 0, 1))


def test_hugging_face_class_names(tmp_path):
    info = {"info": {"features": {"label": {"names": ["left", "right"]}}}}
    for split in ("train", "test"):
        write_parquet(tmp_path / split, images(4), [0, 1, 1, 0], {"huggingface": json.dumps(info)})
    dataset = ParquetDataset(source="parquet", train=tmp_path / "train", test=tmp_path / "test")
    assert open_source(dataset)["test"].class_names == ["left", "right"]


def test_a_truncated_parquet_is_named(parquet):
    dataset = parquet[0]
    path = dataset.train[0]
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"train\.parquet' cannot be read"):
        open_source(dataset)


def test_a_wrong_column_is_named(parquet):
    dataset = parquet[0].model_copy(update={"image_column": "picture"})
    with pytest.raises(DataError, match="picture"):
        open_source(dataset)


def test_a_broken_image_is_named(tmp_path, parquet):
    dataset = parquet[0]
    column = pa.array(
        [{"bytes": b"not an image", "path": None}] * 3,
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    pq.write_table(pa.table({"image": column, "label": [0, 1, 0]}), dataset.train[0])
    source = open_source(dataset.model_copy(update={"test": dataset.train}))["train"]
    with pytest.raises(DataError, match=r"Image 0 of .*train\.parquet cannot be decoded"):
        source[0]


def test_folders(tmp_path):
    for split, count in (("train", 6), ("test", 2)):
        for name in ("cat", "horse"):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for index, array in enumerate(images(count, edge=9)):
                Image.fromarray(array ^ len(name + split)).save(folder / f"{index}.png")
    pixels, account = prepare(FolderDataset(source="folder", root=tmp_path), "mine", 3)
    assert account["resizing"] == "area averaging by 3"
    assert pixels.class_names == ["cat", "horse"]
    assert pixels.images["train"].shape[1:] == (3, 3, 3)
    assert sum(map(len, pixels.labels.values())) == 16


def test_a_size_that_is_no_multiple_is_refused(parquet):
    with pytest.raises(DataError, match="6x6 pixels: size 8 is no multiple"):
        prepare(parquet[0], "mine", 8)


def test_wrong_number_of_channels_in_the_normalisation(parquet):
    dataset = ParquetDataset.model_validate(
        {**parquet[0].model_dump(), "normalisation": {"mean": [0.5], "std": [0.2]}}
    )
    with pytest.raises(DataError, match=r"'mine': 'normalisation' has 1 values.*3 channels"):
        prepare(dataset, "mine", 6)


def write_idx(path, array: np.ndarray) -> None:
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.tobytes())


def test_mnist_through_torchvision(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    written = {}
    for stem, count in (("train", 10), ("t10k", 4)):
        written[stem] = images(count, edge=28, channels=1)
        write_idx(folder / f"{stem}-images-idx3-ubyte", written[stem])
        write_idx(folder / f"{stem}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10)
    dataset = TorchvisionDataset(source="torchvision", name="MNIST", root=tmp_path, download=False)
    splits = open_source(dataset)
    assert np.array_equal(splits["train"][3][0], written["train"][3])
    assert splits["test"].labels.tolist() == [0, 1, 2, 3]


def test_missing_torchvision_files_are_explained(tmp_path):
    dataset = TorchvisionDataset(
        source="torchvision", name="CIFAR10", root=tmp_path, download=False
    )
    with pytest.raises(DataError, match="CIFAR10 cannot be read from"):
        open_source(dataset)
