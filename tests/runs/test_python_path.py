import os
import subprocess
import sys
from pathlib import Path

import advdim
from advdim.runs.python_path import share_package


def test_a_process_finds_the_same_package_before_any_other(monkeypatch, tmp_path):
    (tmp_path / "advdim.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    share_package()
    share_package()
    assert os.environ["PYTHONPATH"].split(os.pathsep)[1:] == [str(tmp_path)]
    program = [sys.executable, "-c", "import advdim; print(advdim.__file__)"]
    found = subprocess.run(program, capture_output=True, text=True, check=True).stdout.strip()
    assert Path(found) == Path(advdim.__file__)
