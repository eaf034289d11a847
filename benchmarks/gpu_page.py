"""The figure and the page of ``gpu.py``, from what it measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd


def write_page(measured: dict[str, Any], folder: Path) -> Path:
    """Write ``gpu.png`` and ``page.md`` into a folder; return the page."""
    lines = [
        f"# {measured['device']}",
        "",
        f"PyTorch {measured['torch']}, network `{measured['network']}`; `make gpu`.",
        *_tests(measured.get("tests")),
        *_twice(measured.get("twice")),
        *_steps(measured.get("steps")),
        *_together(measured.get("together")),
        *_sweep(measured.get("sweep")),
    ]
    if measured.get("steps") or measured.get("together"):
        draw(measured, folder / "gpu.png")
        lines += ["", "![Speed of steps and of cells at once](gpu.png)"]
    skipped = measured["skipped"]
    lines += ["", "## Skipped", "", *(f"- {what}" for what in skipped or ["nothing"])]
    page = folder / "page.md"
    page.write_text("\n".join(lines) + "\n")
    return page


def _tests(tests: dict[str, Any] | None) -> list[str]:
    if tests is None:
        return []
    verdict = "All passed" if tests["passed"] else "**Not all passed**"
    return ["", "## Tests", "", f"{verdict}: {tests['summary']}", *tests["failed"]]


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


def draw(measured: dict[str, Any], path: Path) -> None:
    """Draw images per second of a step against the size, and of cells at once."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows, together = measured.get("steps") or [], measured.get("together") or []
    methods = list(dict.fromkeys(row["method"] for row in rows))
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    figure, axes = plt.subplots(
        1,
        len(methods) + 1,
        squeeze=False,
        layout="constrained",
        figsize=(3.2 * len(methods) + 3, 3.4),
    )
    for axis, method in zip(axes[0], methods, strict=False):
        for variant in variants:
            of = [row for row in rows if (row["method"], row["variant"]) == (method, variant)]
            speeds = [row["images_per_second"] for row in of]
            axis.plot([row["size"] for row in of], speeds, marker="o", label=variant)
        axis.set(title=method, xlabel="size (pixels)", yscale="log")
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter("{x:.0f}")
    if rows:
        axes[0][0].set_ylabel("images per second")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(variants))
    last = axes[0][-1]
    for service, label in ((False, "processes"), (True, "with Multi-Process Service")):
        of = [row for row in together if row["service"] == service]
        if of:
            speeds = [row["images_per_second"] for row in of]
            last.plot([row["cells"] for row in of], speeds, marker="o", label=label)
    last.set(title="at once", xlabel="cells on the device")
    last.set_ylim(bottom=0)
    if together:
        last.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)
