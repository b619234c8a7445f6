"""Weights that a run keeps of its iterations, for playing: RUN/weights/iteration-0003.pt, best.pt.

They are written where an evaluation has ended, before the checkpoint. After a kill in between, the
resumed run writes the same once more.
"""

import re
from pathlib import Path
from typing import Any

import torch

from rl.config import BEST
from rl.member_checkpoint import TrainedState
from rl.position import Position
from workload import tensor_file
from workload.by_products import discard
from workload.errors import UserError
from workload.files import put_aside, write_whole
from workload.member import RunLog

FOLDER = "weights"
_NAME = re.compile(r"iteration-(\d+)\.pt")


class KeptWeights:
    """One member's, in its run directory.

    Args:
        log: the member's; it is told where the best weights have been damaged since.
        keep: how many of the newest iterations, or BEST for the one with the highest return.
    """

    def __init__(self, log: RunLog, keep: str) -> None:
        self._log, self._folder = log, log.path / FOLDER
        self._best = keep == BEST
        self._newest = 0 if self._best else int(keep)

    def keep(self, state: TrainedState, row: dict[str, Any]) -> None:
        """Write what is to be kept of an iteration, and delete what no longer is.

        Args:
            state: of the agent that has been evaluated.
            row: of the evaluation.
        """
        iteration = int(row["iteration"])
        if self._newest:
            self._write(f"iteration-{iteration:04d}.pt", state, iteration, None)
            for path, number in _iterations(self._folder).items():
                if number <= iteration - self._newest:
                    discard(path)
        score = row.get("eval/return", row.get("train/return"))
        if self._best and score is not None and score > self._best_score():
            self._write("best.pt", state, iteration, score)

    def _best_score(self) -> float:
        path = self._folder / "best.pt"
        if not path.exists():
            return -float("inf")
        try:
            return float(_read(path)["score"])
        except UserError:
            put_aside(path)
            self._log.remark(
                f"{FOLDER}/{path.name} was damaged: the best is that of this and later iterations"
            )
            return -float("inf")

    def _write(self, name: str, state: TrainedState, iteration: int, score: float | None) -> None:
        content = {
            "parameters": state.parameters,
            "position": list(state.position),
            "agent_steps": state.agent_steps,
            "iteration": iteration,
            "score": score,
        }
        self._folder.mkdir(exist_ok=True)
        write_whole(self._folder / name, lambda stream: torch.save(content, stream))


def kept_state(run: Path, which: str) -> TrainedState:
    """The weights that a run has kept.

    Args:
        run: its directory.
        which: BEST, or the number of an iteration as eval.jsonl has it.

    Raises:
        UserError: it has not kept those, or they cannot be read.
    """
    folder = run / FOLDER
    path = folder / ("best.pt" if which == BEST else f"iteration-{int(which):04d}.pt")
    if not path.exists():
        kept = kept_names(run)
        raise UserError(
            f"--checkpoint: {run} has kept "
            + (f"{', '.join(kept)}, not {which}" if kept else "no iteration's weights")
            + "; --keep-checkpoints N|best keeps some while a run trains"
        )
    state = _read(path)
    return TrainedState(state["parameters"], Position(*state["position"]), state["agent_steps"])


def kept_names(run: Path) -> list[str]:
    """What `which` may be for a run's `kept_state`."""
    folder = run / FOLDER
    best = [BEST] if (folder / "best.pt").exists() else []
    return [*best, *map(str, sorted(_iterations(folder).values()))]


def _iterations(folder: Path) -> dict[Path, int]:
    found = {path: _NAME.fullmatch(path.name) for path in folder.glob("iteration-*.pt")}
    return {path: int(match[1]) for path, match in found.items() if match}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tensor_file.load(path)
    except Exception as error:  # torch reports damage in many ways
        raise UserError(
            f"{path} is damaged: {error}; --checkpoint newest takes the newest state"
        ) from error
