"""A kernel of our own is tried before its first use, and left alone where it fails."""

import warnings
from collections.abc import Callable


def succeeds(trial: Callable[[], bool], otherwise: str) -> bool:
    """Whether a kernel can be had and does what torch's operators do; a warning where it does not.

    Args:
        trial: compiles it, runs it and compares; whatever it raises is its failure.
        otherwise: what happens without the kernel, for the warning.
    """
    try:
        problem = "" if trial() else "the kernel gave something else"
    except Exception as error:  # whatever a compiler or a driver may raise
        first = str(error).splitlines()[0] if str(error) else ""
        problem = f"{type(error).__name__}: {first}"
    if problem:
        warnings.warn(f"{otherwise}, slower: {problem}", RuntimeWarning, stacklevel=3)
    return not problem
