import pytest

from advdim.__main__ import main
from advdim.config import ConfigError
from advdim.config.repeated_keys import refuse_repeated_keys

TWICE = """
experiments:
  e: {dataset: digits}
  other: {seeds: 1}
  e: {dataset: photographs}
"""
MERGED = """
networks:
  one: &one {kind: lenet, hidden: [3]}
  two: &two {<<: *one, hidden: [4]}
  three: {<<: [*one, *two], hidden: [5]}
list:
  - {a: 1}
  - {a: 2}
"""


def test_a_key_that_stands_twice_is_named_with_its_lines(tmp_path, capsys):
    (tmp_path / "sweep.yaml").write_text(TWICE)
    with pytest.raises(
        ConfigError, match="the key 'e' on line 3 and again, in the same block, on line 5"
    ):
        refuse_repeated_keys([tmp_path / "sweep.yaml"])
    assert main(["check", str(tmp_path / "sweep.yaml")]) == 2
    assert "has the key 'e' on line 3" in capsys.readouterr().err


@pytest.mark.parametrize("text", [MERGED, "", "a", "[1, 2", "{a: {b: 1}, c: {b: 1}}"])
def test_merged_blocks_and_other_blocks_repeat_nothing(tmp_path, text):
    (tmp_path / "sweep.yaml").write_text(text)
    refuse_repeated_keys([tmp_path / "sweep.yaml", tmp_path / "missing.yaml"])
