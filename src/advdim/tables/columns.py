"""A column with its unit and meaning, and those that say which cell a row is about."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column: name, Arrow type, unit and meaning."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str

    def field(self) -> pa.Field:
        """Return the Arrow field with unit and meaning in its metadata."""
        return pa.field(self.name, self.type, metadata={"unit": self.unit, "meaning": self.meaning})


TEXT, WHOLE, REAL, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()


def listed(element: pa.DataType) -> pa.DataType:
    """Return the type of a list of values under the name that Parquet gives them."""
    return pa.list_(pa.field("element", element))


FLAGS = Column(
    "flags",
    listed(TEXT),
    "",
    "what makes the numbers untrustworthy, by its name in measures/flags.py; empty: nothing seen",
)
EFFORT = Column("effort", TEXT, "", "how it differs from the reference's; empty: it does not")
IDENTITY_COLUMNS = (
    Column("dataset", TEXT, "", "dataset name in the configuration"),
    Column("network", TEXT, "", "network name in the configuration"),
    Column("size", WHOLE, "pixels", "edge of the input image"),
    Column("method", TEXT, "", "training regulariser"),
    Column("epsilon", REAL, "normalised units", "regularisation strength epsilon_inf"),
    Column("seed", WHOLE, "", "seed of the cell's random streams"),
)
