"""What did not finish: a list that a person can act on after a night's run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from advdim.batches import STAGES, waiting
from advdim.config import Config


def failed_cells(config: Config) -> list[tuple[str, str]]:
    """Return (target file, last log line) of every result that was started and is not there."""
    failed = []
    for stage in STAGES.values():
        for item in waiting(config, stage):
            record, log = stage.final(config, item)[-1], stage.log(config, item)
            if log.exists() and not _newer(record, log):
                lines = log.read_text(errors="replace").strip().splitlines()
                failed.append((str(record), lines[-1] if lines else "the log is empty"))
    return failed


def _newer(record: Path, log: Path) -> bool:
    """Tell whether a result, though of other settings, is newer than the last attempt."""
    return record.exists() and record.stat().st_mtime > log.stat().st_mtime


def report_failures(config: Config, configfiles: Sequence[str | Path]) -> str:
    """Write ``failed_cells.txt`` beside the results and return what to tell the user."""
    failed = failed_cells(config)
    report = Path(config.results, "failed_cells.txt")
    if not failed:
        report.unlink(missing_ok=True)
        return "No cell failed; see the messages above."
    files = " ".join(map(str, configfiles)) or "config.yaml"
    again = f"snakemake --cores all --configfile {files} -- " + " ".join(run for run, _ in failed)
    lines = [f"{run}: {line}" for run, line in failed]
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("\n".join([*lines, "", "Run just these again:", again, ""]))
    return f"{len(failed)} cells failed: {report} has why, and the command that runs them again."
