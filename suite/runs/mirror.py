"""A run's rows for another logger of Lightning's, beside the run's own files.

The run's files are the record. A run that goes on gets a new version there, which is given the rows
that the checkpoint knows before those that follow: no version has a row twice, or one that is lost.
What goes wrong there is told once and ends no training.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.runs.directory import Run
from workload.errors import UserError
from workload.output import warn

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

PROJECT = "wdbench"
Numbers = Mapping[str, float]
Row = tuple[int, Numbers]
"""The step that a row was logged at, and its numbers."""


class Mirror:
    """Hands rows to a logger.

    Args:
        name: what the user calls it.
        make: gives a logger for a new version.
        finish: ends one, after its `finalize`.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], "Logger"],
        finish: Callable[["Logger"], object] = lambda logger: None,
    ) -> None:
        self._name, self._make, self._finish = name, make, finish
        self._logger: Logger | None = None
        self._given_up = False

    def begin(self, rows: Iterable[Row]) -> None:
        """Begin a version with these rows."""
        self.close()
        self._try(lambda: self._begin(rows))

    def row(self, row: Row) -> None:
        """Hand on one more."""
        if self._logger is None:
            self.begin([])
        self._try(lambda: self._log(row))

    def close(self) -> None:
        """End the version, if there is one."""
        if self._logger is not None:
            self._try(self._close)
            self._logger = None

    def _begin(self, rows: Iterable[Row]) -> None:
        self._logger = self._make()
        for row in rows:
            self._log(row)

    def _log(self, row: Row) -> None:
        if self._logger is not None:
            step, numbers = row
            self._logger.log_metrics(dict(numbers), step)

    def _close(self) -> None:
        if self._logger is not None:
            self._logger.save()
            self._logger.finalize("success")
            self._finish(self._logger)

    def _try(self, act: Callable[[], None]) -> None:
        if self._given_up:
            return
        try:
            act()
        except Exception as error:
            self._given_up = True
            told = " ".join(f"{type(error).__name__}: {error}".split())
            warn(f"--logger {self._name}: {told}; it gets no more rows, the run's files do")


def check(name: str) -> None:
    """Raise UserError where the package of a logger is not installed."""
    if name in PACKAGES:
        with suppress(ImportError):
            import_module(name)
            return
        raise UserError(f"logger: {name} is not installed; pip install {PACKAGES[name]}")


PACKAGES = {"mlflow": "mlflow-skinny", "wandb": "wandb"}
"""What is to be installed for a logger, by the name of its module."""


def mirror_of(name: str, run: Run, runs: Path) -> Mirror | None:
    """What hands a run's rows to the logger of a name; None for `none`.

    Args:
        name: `none`, `csv`, `mlflow` or `wandb`.
        run: whose rows.
        runs: folder of all runs.
    """
    if name == "none":
        return None
    make, finish = {"csv": (_csv, None), "mlflow": (_mlflow, None), "wandb": (_wandb, _end)}[name]

    def configured() -> "Logger":
        logger = make(run, runs)
        logger.log_hyperparams({**run.config["recipe"], **run.config["member"]})
        return logger

    return Mirror(name, configured, finish or (lambda logger: None))


def _csv(run: Run, runs: Path) -> "Logger":
    from lightning.pytorch.loggers import CSVLogger

    return CSVLogger(run.path, name="csv")


def _mlflow(run: Run, runs: Path) -> "Logger":
    """In `runs/mlruns`, unless MLFLOW_TRACKING_URI names a server."""
    from lightning.pytorch.loggers import MLFlowLogger

    # 3.7 and later take folders only where this is said
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"file:{(runs / 'mlruns').resolve()}"
    return MLFlowLogger(
        experiment_name=f"{PROJECT} {_group(run, runs)}",
        run_name=run.member.label,
        tracking_uri=uri,
        tags={"run": str(run.path)},
    )


def _wandb(run: Run, runs: Path) -> "Logger":
    """Below the run, to be sent by `wandb sync`; at once where WANDB_MODE is online."""
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    experiment = wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        group=_group(run, runs),
        name=run.member.label,
        dir=str(run.path),
        mode=os.environ.get("WANDB_MODE", "offline"),
        reinit="create_new",  # members of a population train beside each other
        settings=wandb.Settings(silent=True, console="off"),
    )
    experiment.define_metric("*", step_metric="trainer/global_step")
    return WandbLogger(experiment=experiment)


def _end(logger: Any) -> None:
    logger.experiment.finish()


def _group(run: Run, runs: Path) -> str:
    """The workload and the task, as `WORKLOAD/TASK`."""
    return str(Path(*run.path.relative_to(runs).parts[:2]))
