"""How validation, test and decoding end when they are asked to. Imports no torch."""


class StoppedError(Exception):
    """It was asked to stop: nothing of it counts."""
