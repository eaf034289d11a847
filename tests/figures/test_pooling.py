import numpy as np
import pandas as pd

from .invented import draw, synthetic_tables


def test_the_prediction_of_the_pooling_figure_is_the_reference_dampened():
    tables = synthetic_tables()
    cells, epochs = tables["cells"], tables["epochs"]
    keep = (cells["method"] == "none") & (cells["size"] == 8)
    strided = cells[keep].assign(network="strided", dampening=1.0)
    average = cells[keep].assign(network="average", dampening=0.25)
    tables["cells"] = pd.concat([strided, average])
    plain = epochs[(epochs["method"] == "none") & (epochs["size"] == 8)]
    tables["epochs"] = pd.concat([plain.assign(network=n) for n in ("strided", "average")])
    dashes = [
        line for line in draw("pooling", tables).axes[0].lines if line.get_linestyle() == "--"
    ]
    at = sorted(line.get_ydata()[0] for line in dashes)
    np.testing.assert_allclose(at, [0.25 * 16 * 0.99, 16 * 0.99])


def test_the_prediction_of_the_pooling_figure_is_made_for_each_size():
    tables = synthetic_tables()
    pools = {"strided": 1.0, "average": 0.25}
    plain = [tables[name].query("method == 'none'") for name in ("cells", "epochs")]
    tables["cells"], tables["epochs"] = (
        pd.concat([rows.assign(network=network) for network in pools]) for rows in plain
    )
    tables["cells"]["dampening"] = tables["cells"]["network"].map(pools)
    axis = draw("pooling", tables).axes[0]
    at = sorted(line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == "--")
    sizes = np.array([8, 16, 32])
    np.testing.assert_allclose(at, sorted([*(2 * 0.99 * sizes), *(2 * 0.99 * sizes / 4)]))


def test_the_pooling_figure_shows_usual_training_only():
    tables = synthetic_tables()
    axis = draw("pooling", tables).axes[1]
    points = np.concatenate([line.get_ydata() for line in axis.lines if line.get_marker() == "o"])
    plain = tables["cells"]["method"] == "none"
    np.testing.assert_allclose(
        sorted(points), sorted(tables["cells"].loc[plain, "grad_l1_untied_median"])
    )
