"""A real file system of a few kilobytes, filled during each stage."""

import os
import shutil
import subprocess

import pytest

from advdim.config import load
from advdim.config.convolutional import ConvolutionalNetwork
from advdim.files import DiskFullError, write_json
from advdim.networks.build import Shape, build, save_network
from advdim.stages.pixels import prepare_pixels
from advdim.streams import stream
from advdim.tables import gather, write_table
from advdim.units import Normalisation
from tests.tables.test_tables import epoch_rows


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() or shutil.which("mount") is None or subprocess.run(mount).returncode:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def write_pixels(path, raw_config):
    raw_config["datasets"]["digits"] |= {"train_images": None, "test_images": None}
    prepare_pixels(load(raw_config), "digits", 8, path)


def write_network(path, raw_config):
    settings = ConvolutionalNetwork(layers=3, width=32, head="global_max")
    network = build(settings, Shape(1, 8, 10), stream("weights"))
    save_network(path, network, settings, Shape(1, 8, 10), Normalisation((0.5,), (0.2,)))


def write_rows(path, raw_config):
    write_table(path, "epochs", epoch_rows(count=3000))


def gather_rows(path, raw_config):
    part = path.parent.parent / "part.parquet"
    write_table(part, "epochs", epoch_rows(count=3000))
    gather(path, "epochs", [part])


def write_run(path, raw_config):
    write_json(path, {"settings": "x" * 200_000})


@pytest.mark.parametrize("write", [write_pixels, write_network, write_rows, gather_rows, write_run])
def test_a_full_disk_is_named_and_leaves_nothing_broken(small_disk, raw_config, write):
    path = small_disk / "result"
    with pytest.raises(DiskFullError, match=r"The disk is full: '.*result' cannot be written"):
        write(path, raw_config)
    assert list(small_disk.iterdir()) == []
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    write(path, raw_config)
    assert path.stat().st_size > 64 * 1024 / 2
