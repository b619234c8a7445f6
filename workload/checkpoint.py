"""The state of a member that trains alone, saved and taken up together with its log."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from workload.checkpoint_files import CheckpointFiles, Entry
from workload.member import RunLog

State = dict[str, Any]


def read_state(run: Path) -> State:
    """What a run's newest sound checkpoint holds, tensors on the CPU; `{}` where there is none.

    Raises:
        CheckpointError: it cannot be read.
    """
    files = CheckpointFiles(run)
    entry = files.sound()
    return {} if entry is None else _load(files, entry)


def _load(files: CheckpointFiles, entry: Entry) -> State:
    file = files.folder / entry["file"]
    state: State = torch.load(file, map_location="cpu", weights_only=True)
    return state


class Checkpoint:
    """The checkpoints of one member. A killed run goes on where the newest stands: its log is cut
    back to it, so that no row is there twice.

    Args:
        log: the member's.
    """

    def __init__(self, log: RunLog) -> None:
        self._log, self._files = log, CheckpointFiles(log.path)

    def resume(self, *, check: Callable[[State], None] = lambda state: None) -> State:
        """The state to go on from, and the log as it was then; `{}` and an empty log without one.
        A newest checkpoint that is not gone on from is put aside.

        Args:
            check: called with the state before anything is changed; may raise UserError.

        Raises:
            CheckpointError: it cannot be read; nothing has been changed.
        """
        entry = self._files.sound()
        state: State = {}
        if entry is not None:
            state = _load(self._files, entry)
            check(state)
            self._files.go_on_from(entry)
        self._log.rewind(state.get("log_position", {}))
        return state

    def save(self, state: State, position: Sequence[int]) -> None:
        """Write a state that a run resumes from, whatever the moment of a kill.

        Args:
            state: tensors, numbers, texts, and lists and dictionaries of them.
            position: the rounds that are through, what is through of the next one, and what else
                tells two checkpoints apart, in whole numbers.
        """
        kept = state | {"log_position": self._log.offsets()}
        name = f"{position[0]:03d}-{position[1]:06d}.pt"
        digest = self._files.write(name, lambda stream: torch.save(kept, stream))
        self._files.publish({"file": name, "sha256": digest, "position": list(position)})
