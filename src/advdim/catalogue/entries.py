"""What every entry of the catalogue has: a name, and a function that is imported when needed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Loaded = TypeVar("Loaded", covariant=True)


def load(path: str) -> Any:
    """Import what ``package.module:name`` names."""
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing of a kind.

    Attributes:
        name: as it stands in configurations, paths and tables.
        function: what computes it, as ``package.module:name``.
    """

    name: str
    function: str

    @property
    def modules(self) -> list[str]:
        """The modules that its results depend on, for digests of code."""
        return [self.function.split(":")[0]]

    def load(self) -> Any:
        """Import the function."""
        return load(self.function)


@dataclass(frozen=True, kw_only=True)
class FigureEntry(Entry):
    """One figure.

    Attributes:
        function: ``function(tables, settings)`` returns the matplotlib figure.
        tables: those it reads, by name.
        title: one line, with the paper's figure.
        caption: where it is from, and what it shows.
        tells_apart: in what, beside strength and seed, the networks of its experiment may differ:
            ``network``, ``methods``, ``sizes``. What it does not tell apart it would pool.
    """

    tables: tuple[str, ...]
    title: str
    caption: str
    tells_apart: tuple[str, ...] = ("sizes",)

    @property
    def of_attacks(self) -> bool:
        """Tell whether the figure is drawn from attacks, which its experiment must then name."""
        return bool(set(self.tables) & {"attack_summaries", "ladder", "bounds"})

    @property
    def of_bounds(self) -> bool:
        """Tell whether the figure is drawn from lower bounds, which its experiment must ask for."""
        return "bounds" in self.tables


@dataclass(frozen=True, kw_only=True)
class Look:
    """How figures show one thing of a kind.

    Attributes:
        label: name in legends; may hold mathematics as matplotlib reads it.
        colour: any that matplotlib reads; those of ``palette`` differ for any colour vision.
        marker: of matplotlib.
    """

    label: str
    colour: str
    marker: str


class HasLook(Protocol):
    """An entry that figures show."""

    @property
    def look(self) -> Look:
        """How they show it."""
        ...


class HasLoad(Protocol[Loaded]):
    """Whatever loads."""

    def load(self) -> Loaded:
        """Import it."""
        ...


class Functions(Mapping[str, Loaded]):
    """The functions of some entries by name, each imported when it is asked for."""

    def __init__(self, entries: Mapping[str, HasLoad[Loaded]]) -> None:
        self.entries = entries

    def __getitem__(self, name: str) -> Loaded:
        """Return what the entry's function is."""
        return self.entries[name].load()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, in the catalogue's order."""
        return iter(self.entries)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.entries)
