"""The figure and the page of ``gpu.py``, from what it measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from step_figure import draw

LAST_LINES = 20


def write_page(measured: dict[str, Any], folder: Path) -> Path:
    """Write ``gpu.png`` and ``page.md`` into a folder; return the page."""
    lines = [
        f"# {measured['device']}",
        "",
        f"PyTorch {measured['torch']}, network `{measured['network']}`; `make gpu`.",
        *_sentences("Failed", measured["failed"]),
        *_tests(measured.get("tests"), folder / "tests.txt"),
        *_twice(measured.get("twice")),
        *_steps(measured.get("steps")),
        *_together(measured.get("together")),
        *_sweep(measured.get("sweep")),
    ]
    if measured.get("steps") or measured.get("together"):
        rows, together = measured.get("steps") or [], measured.get("together") or []
        draw(rows, folder / "gpu.png", ["images_per_second"], together)
        lines += ["", "![Speed of steps and of cells at once](gpu.png)"]
    lines += _sentences("Skipped", measured["skipped"] or ["nothing"])
    page = folder / "page.md"
    page.write_text("\n".join(lines) + "\n")
    return page


def _sentences(title: str, sentences: list[str]) -> list[str]:
    return ["", f"## {title}", "", *(f"- {what}" for what in sentences)] if sentences else []


def _tests(tests: dict[str, Any] | None, said: Path) -> list[str]:
    if tests is None:
        return []
    if tests["passed"]:
        return ["", "## Tests", "", f"All passed: {tests['summary']}"]
    last = said.read_text().splitlines()[-LAST_LINES:]
    return [
        "",
        "## Tests",
        "",
        "**Not all passed**; all of [tests.txt](tests.txt) ends:",
        "",
        "```",
        *last,
        "```",
    ]


def _twice(twice: dict[str, dict[str, bool]] | None) -> list[str]:
    if not twice:
        return []
    lines = ["", "## The same cell twice", ""]
    for method, same in twice.items():
        differing = [name for name, equal in same.items() if not equal]
        outcome = f"**{', '.join(differing)} differ**" if differing else "the same bits"
        lines.append(f"- `{method}`: {outcome}")
    return lines


def _steps(rows: list[dict[str, Any]] | None) -> list[str]:
    if not rows:
        return []
    lines = [
        "", "## Steps", "",
        "| size | method | precision | ms | times the plain step | images/s | of the matrix rate |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for row in rows:
        ratio = row.get("times_the_plain_step")
        lines.append(
            f"| {row['size']} | `{row['method']}` | {row['variant']} | {1e3 * row['seconds']:.2f} "
            f"| {'' if ratio is None else f'{ratio:.2f}'} | {row['images_per_second']:.0f} "
            f"| {row['of_matrix_rate']:.2f} |"
        )
    return lines


def _together(rows: list[dict[str, Any]] | None) -> list[str]:
    if not rows:
        return []
    lines = [
        "", "## Cells at once", "",
        "| cells | Multi-Process Service | images/s | times the first |",
        "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for row in rows:
        speed, used = row["images_per_second"], "with" if row["service"] else "without"
        ratio = speed / rows[0]["images_per_second"]
        lines.append(f"| {row['cells']} | {used} | {speed:.0f} | {ratio:.2f} |")
    return lines


def _sweep(sweep: dict[str, Any] | None) -> list[str]:
    if sweep is None:
        return []
    cells = pd.DataFrame(sweep["cells"])
    done = int((cells["status"] == "done").sum())
    used = ", ".join(sorted(set(cells["precision"])))
    report = "with its report" if sweep["report"] else "**without a report**"
    return [
        "", "## A small sweep", "",
        f"{done} of {len(cells)} cells done in {sweep['seconds']:.0f} s, {report}; "
        f"attacks crafted in {used}.",
    ]  # fmt: skip
