"""What a run must have for a claim to be decidable; each passes the rows on or says what lacks."""

from __future__ import annotations

import pandas as pd

# Shares of changed predictions outside of which a threshold tells networks apart no more.
NOTHING, EVERYTHING = 0.01, 0.99


class Undecidable(Exception):
    """The run cannot decide on the claim, whatever it finds; the message is one sentence."""


def sizes(rows: pd.DataFrame, least: int = 2) -> pd.DataFrame:
    """Require that many sizes."""
    return _distinct(rows, "dimension", least, "size")


def strengths(rows: pd.DataFrame, least: int, where: str = "") -> pd.DataFrame:
    """Require that many strengths, usual training (0) included."""
    return _distinct(rows, "epsilon", least, "strength", where)


def networks(rows: pd.DataFrame) -> pd.DataFrame:
    """Require two architectures."""
    return _distinct(rows, "network", 2, "architecture")


def methods(rows: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Require networks trained by each of these methods."""
    return _named(rows, "method", names, "no network was trained by {}")


def attacks(rows: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Require that each of these attacks ran."""
    return _named(rows, "attack", names, "no network was attacked by {}")


def some_change(rows: pd.DataFrame) -> pd.DataFrame:
    """Require a threshold at which the attack changes neither next to nothing nor all."""
    return _between(rows, "the attack")


def room_to_grow(rows: pd.DataFrame) -> pd.DataFrame:
    """Require a vulnerability that could grow like sqrt(d) over the sizes without passing 1."""
    if rows.empty or has_room(rows):
        return rows
    share, growth = _smallest_share_and_growth(rows)
    raise Undecidable(
        f"{share:.0%} of the predictions change at the smallest size already, and no share grows "
        f"{growth:g}-fold from there: it takes a lower threshold"
    )


def has_room(rows: pd.DataFrame) -> bool:
    """Tell whether the vulnerability could grow like sqrt(d) over the sizes without passing 1."""
    share, growth = _smallest_share_and_growth(rows)
    return share * growth <= 1


def _smallest_share_and_growth(rows: pd.DataFrame) -> tuple[float, float]:
    by_size = rows.groupby("dimension")["vulnerability"].mean()
    return by_size.iloc[0], (by_size.index[-1] / by_size.index[0]) ** 0.5


def some_change_by_attack(rows: pd.DataFrame) -> pd.DataFrame:
    """Require the same of every attack."""
    for attack, of_attack in rows.groupby("attack"):
        _between(of_attack, str(attack))
    return rows


def _between(rows: pd.DataFrame, attack: str) -> pd.DataFrame:
    share = rows["vulnerability"].mean()
    if share < NOTHING or share > EVERYTHING:
        amount = "too few" if share < NOTHING else "too many"
        raise Undecidable(
            f"{attack} changes {share:.1%} of the predictions, {amount} to tell networks apart"
        )
    return rows


def _distinct(
    rows: pd.DataFrame, column: str, least: int, word: str, where: str = ""
) -> pd.DataFrame:
    found = rows[column].nunique()
    if 0 < found < least:
        raise Undecidable(
            f"it takes {least} {word}s{where and ' ' + where}, and the run has {found}"
        )
    return rows


def _named(rows: pd.DataFrame, column: str, names: tuple[str, ...], text: str) -> pd.DataFrame:
    missing = [name for name in names if name not in set(rows[column])]
    if missing and not rows.empty:
        raise Undecidable(text.format(" or ".join(missing)))
    return rows
