"""A finished run, for looks at its network: recipe, newest or kept weights, training images."""

from dataclasses import dataclass
from pathlib import Path

from vision.config import Machine, Recipe
from vision.image_data import ImageData
from vision.images import DeviceImages
from vision.module import VisionModule
from vision.state import restore
from vision.workload import WORKLOAD
from workload.checkpoint import read_state
from workload.errors import UserError
from workload.files import read_json
from workload.identity import completed, read_config
from workload.kept import read_kept
from workload.member import Member
from workload.trainer import prepare_torch


@dataclass(frozen=True)
class FinishedRun:
    """What a run's folder says of it."""

    path: Path
    recipe: Recipe
    member: Member

    @classmethod
    def open(cls, path: Path, *, ended: bool = True) -> "FinishedRun":
        """Read a folder. UserError where it is no vision run, or has not finished; for its kept
        states alone that need not be, `ended=False`."""
        config = read_config(path)
        if config.get("workload") != WORKLOAD.NAME:
            raise UserError(f"{path} is a run of {config.get('workload')}, not of {WORKLOAD.NAME}")
        if ended and not (path / "done.json").exists():
            raise UserError(f"{path} is not finished: the same `run` command goes on with it")
        values = completed(WORKLOAD, config)["recipe"]
        return cls(path, Recipe(**values), Member(**config["member"]))

    @property
    def name(self) -> str:
        """The last two parts of its path, which tell it from the runs beside it."""
        return "/".join(self.path.absolute().parts[-2:])

    def load(self, machine: Machine, epoch: int | None = None) -> tuple[VisionModule, DeviceImages]:
        """The module with the newest weights, or those after a kept epoch, and the images with the
        labels it was trained on.

        Raises:
            UserError: there are no weights, or the run has diverged.
        """
        device = prepare_torch(machine)
        state = read_state(self.path) if epoch is None else read_kept(self.path, epoch)
        record = read_json(self.path / "done.json") or {}
        if not state and record.get("status") != "diverged":
            raise UserError(f"{self.path} has no checkpoint: train it first")
        if not state or state["diverged"]:
            raise UserError(f"{self.path} has diverged: its loss has no minimum to measure")
        data = ImageData(self.recipe, machine.data_folder, self.member.seed, device)
        module = VisionModule(self.recipe, self.member, data).to(device)
        restore(module, state)
        return module, data.labelled
