"""Cases of large inputs have names that a command line takes."""

import pytest


@pytest.fixture
def large_inputs(benchmark_module):
    return benchmark_module("large_inputs")


def test_the_case_of_its_usage_line_is_there(large_inputs):
    assert large_inputs.parser().parse_args(["--cases", "folder"]).cases == ["folder"]
    assert all(" " not in case for case in large_inputs.CASES)


def test_images_of_both_splits_are_made_and_measured(large_inputs, tmp_path):
    large_inputs.make_parquet(tmp_path, count=12, behind=10, rows=4, at_once=2)
    measured = large_inputs.measure(tmp_path)
    assert measured["images"] == 16
    assert measured["libraries_megabytes"] > 0
