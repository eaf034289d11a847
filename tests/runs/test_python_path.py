import os
import subprocess
import sys
from pathlib import Path

import pytest

import advdim
from advdim.runs.python_path import share_package


def test_a_process_finds_the_same_package_before_any_other(monkeypatch, tmp_path):
    (tmp_path / "advdim.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    share_package(tmp_path)
    share_package(tmp_path)
    assert os.environ["PYTHONPATH"].split(os.pathsep)[1:] == [str(tmp_path)]
    program = [sys.executable, "-c", "import advdim; print(advdim.__file__)"]
    found = subprocess.run(program, capture_output=True, text=True, check=True).stdout.strip()
    assert Path(found) == Path(advdim.__file__)


def test_an_installed_package_is_shared_without_its_neighbours(monkeypatch, tmp_path):
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (installed / "advdim").symlink_to(Path(advdim.__file__).parent)
    (installed / "neighbour.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(installed))
    share = (
        "from pathlib import Path; from advdim.runs.python_path import share_package; import os;"
        f"[share_package(Path({str(tmp_path)!r})) for _ in range(2)];"
        "print(os.environ['PYTHONPATH'].split(os.pathsep)[0])"
    )

    def output(program):
        command = [sys.executable, "-c", program]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    shared = output(share)
    monkeypatch.setenv("PYTHONPATH", shared)
    assert output("import advdim.files; print(advdim.__file__)").startswith(shared)
    with pytest.raises(subprocess.CalledProcessError):
        output("import neighbour")
    # A process that finds it there shares the same folder.
    assert output(share) == shared
