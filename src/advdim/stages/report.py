"""The stage that puts the answer, claims, figures, networks and settings into one page."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from advdim import __version__
from advdim.config import Config
from advdim.files import atomic
from advdim.report.page import READ, report_page
from advdim.runs.provenance import commit, versions
from advdim.tables import read_parts, read_table


def write_report(
    config: Config,
    table_files: Sequence[str | Path],
    figure_files: Sequence[str | Path],
    output: str | Path,
) -> None:
    """Write the report from the sweep's tables and figures, ``EXPERIMENT/FIGURE.SUFFIX`` each."""
    files = {Path(file).stem: file for file in table_files}
    tables = {
        name: read_table(files[name]) if name in files else read_parts(name, ()) for name in READ
    }
    figures = defaultdict(list)
    for path in map(Path, figure_files):
        figures[path.parent.name, path.stem].append(path)
    provenance = {
        "Report by": f"advdim {__version__}, commit {commit()}",
        "Libraries": ", ".join(f"{k} {v}" for k, v in json.loads(versions()).items()),
        "Tables": ", ".join(files),
    }
    page = report_page(config, tables, figures, provenance)
    with atomic(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
