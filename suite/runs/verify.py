"""Every file of a run compared with what is known of it. Imports torch."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from suite.runs.directory import Run
from suite.runs.event_file import EVENTS
from suite.runs.final import damaged
from suite.runs.session import sessions
from workload import tensor_file
from workload.checkpoint_files import CheckpointFiles
from workload.errors import DAMAGE, UserError


def problems_of(run: Run) -> Iterator[str]:
    """A sentence per damaged file."""
    yield from _told(lambda: damaged(run.path))
    try:
        sessions(run.path)
    except UserError as error:
        yield str(error)
    checkpoint = CheckpointFiles(run.path)
    if checkpoint.folder.is_dir() or not run.path.joinpath("done.json").exists():
        yield from checkpoint.problems()
    for file in sorted(run.path.glob("*/*.pt")):
        if file.parent == checkpoint.folder:
            continue
        try:
            tensor_file.check(file)
        except Exception as error:  # zipfile reports damage in many ways
            yield f"{file} is damaged: {error}"
    for file in sorted(run.path.glob(f"{EVENTS}*")):
        yield from _events(file)
    yield from _told(lambda: run.workload.damage(run.path))


def _told(ask: Callable[[], Iterable[str]]) -> list[str]:
    """What is answered, or why there is no answer."""
    try:
        return list(ask())
    except UserError as error:
        return [str(error)]
    except DAMAGE as error:
        return [f"{type(error).__name__}: {error}"]


def _events(path: Path) -> Iterator[str]:
    """TensorBoard's records carry checksums, at which its own reader looks."""
    from tensorboard.compat.tensorflow_stub import errors
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

    try:
        reader = PyRecordReader_New(str(path))
        while True:
            reader.GetNext()
    except errors.OutOfRangeError:
        pass
    except (errors.OpError, OSError) as error:
        yield f"{path} is damaged: {error}; delete it, no result depends on it"
