"""A stop that is asked for in the middle of a long look at a network."""


class StoppedError(Exception):
    """Somebody asked to stop while a network was looked at."""


def unasked() -> None:
    """What is called between batches where nobody asks to stop."""
