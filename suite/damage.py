"""A damaged checkpoint, and what can be done about it."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared_optim.checkpoint_files import CheckpointError
from suite.errors import UserError


@contextmanager
def damage_explained() -> Iterator[None]:
    """A CheckpointError of the block as a UserError that says what can be done."""
    try:
        yield
    except CheckpointError as error:
        way_on = (
            "--from-previous-checkpoint resumes from the one before"
            if error.previous
            else "no checkpoint before it is known: move the run away to start it anew"
        )
        raise UserError(f"checkpoint {error}; nothing was deleted; {way_on}") from error
