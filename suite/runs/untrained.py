"""Directories of runs that bad input kept from beginning."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from suite.runs.directory import Run, locked_if_free
from suite.runs.log import EVALUATIONS, METRICS


def discard_untrained(runs: Sequence[Run], above: Path) -> None:
    """Delete the directories of runs that have neither a row nor a checkpoint, and what is then
    empty of the folders between them and the one above."""
    with locked_if_free([run for run in runs if run.path.is_dir()]) as free:
        for run in free:
            if not _has_begun(run):
                shutil.rmtree(run.path, ignore_errors=True)
                between = len(run.path.relative_to(above).parts) - 1
                with suppress(OSError):  # not empty
                    for folder in run.path.parents[:between]:
                        folder.rmdir()


def _has_begun(run: Run) -> bool:
    rows = (run.path / name for name in (METRICS, EVALUATIONS, *run.workload.ROW_FILES))
    if any(path.is_file() and path.stat().st_size for path in rows):
        return True
    return run.workload.checkpoint_position(run.path) is not None
