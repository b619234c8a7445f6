"""How the suite words numbers and mistakes."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

DAY = 86_400


def unknown(
    kind: str,
    value: str,
    allowed: Iterable[str],
    elsewhere: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The sentence for a name that does not exist: what it is called here where it is another
    tool's, as `elsewhere` says, else near matches, else all that are allowed."""
    import difflib

    if here := elsewhere.get(value.lstrip("-").replace("-", "_")):
        return f"unknown {kind} {value!r}; here that is {here}"
    names = list(allowed)
    near = difflib.get_close_matches(value, names, n=3, cutoff=0.65)
    hint = f"did you mean {' or '.join(near)}?" if near else f"allowed are {', '.join(names)}"
    return f"unknown {kind} {value!r}; {hint}"


def either(names: Sequence[str]) -> str:
    """`a, b or c`."""
    return " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def amount(nbytes: float) -> str:
    """Bytes in decimal units, e.g. 7.06 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if nbytes < 1000:
            return f"{nbytes:.3g} {unit}"
        nbytes /= 1000
    return f"{nbytes:.3g} TB"


def duration(seconds: float) -> str:
    """Seconds as people say them, e.g. 2 h 05 min or 9 days."""
    if seconds >= 3 * DAY:
        return f"{seconds / DAY:,.0f} days"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def counted(number: float, noun: str) -> str:
    """A number of things, e.g. 1 core, 2 cores, 0.25 GPUs."""
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {noun}s"
