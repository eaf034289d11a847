import pandas as pd

from advdim.tables import cells_of


def test_cells_of_experiments_are_those_that_name_one_of_them():
    cells = pd.DataFrame({"seed": [0, 1, 2], "experiments": [["a"], ["b", "ab"], ["a", "b"]]})
    assert list(cells_of(cells, "a")["seed"]) == [0, 2]
    assert list(cells_of(cells, "a", "ab")["seed"]) == [0, 1, 2]
    assert cells_of(cells, "c").empty


def test_of_no_cells_none_are_of_an_experiment():
    found = cells_of(pd.DataFrame({"seed": [], "experiments": []}), "a")
    assert list(found.columns) == ["seed", "experiments"]
