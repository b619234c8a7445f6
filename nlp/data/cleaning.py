"""Which training pairs are left out: what Moses' clean-corpus-n.perl does, with a count of why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

NAMED = 5  # line numbers named per reason


@dataclass(frozen=True)
class Limits:
    """What a training pair must keep to.

    Attributes:
        ratio: of the longer to the shorter side.
        longest: of a side.
        unit: what is counted, in words.
        length: of a line, in that unit.
    """

    ratio: float
    longest: int
    unit: str
    length: Callable[[str], int]


WORDS = Limits(1.5, 175, "tokens", lambda line: line.count(" ") + 1)
"""As fairseq prepares IWSLT'14."""
CHARACTERS = Limits(9, 1_000, "characters", lambda line: len(line.replace(" ", "")))
"""For text whose words nothing separates. A Chinese sentence has about a third of the characters
of an English one, a short one a tenth; 9 is the ratio of Moses' own script."""


@dataclass
class Dropped:
    """Pairs left out per reason, with the first line numbers, from 1."""

    counts: dict[str, int] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)

    def add(self, reason: str, line: int) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        named = self.lines.setdefault(reason, [])
        if len(named) < NAMED:
            named.append(line)


def reason_to_drop(source: str, target: str, limits: Limits = WORDS) -> str | None:
    """Why this pair of tokenised lines is left out of training; None keeps it."""
    if not source or not target:
        return "empty"
    lengths = limits.length(source), limits.length(target)
    if max(lengths) > limits.longest:
        return f"over {limits.longest} {limits.unit}"
    if max(lengths) / min(lengths) > limits.ratio:
        return f"length ratio over {limits.ratio:g}"
    return None


def kept(
    sources: Sequence[str], targets: Sequence[str], dropped: Dropped, limits: Limits = WORDS
) -> list[int]:
    """Indices, from 0, of the pairs that stay. The others are added to `dropped`."""
    indices = []
    for index, (source, target) in enumerate(zip(sources, targets, strict=True)):
        reason = reason_to_drop(source, target, limits)
        if reason is None:
            indices.append(index)
        else:
            dropped.add(reason, index + 1)
    return indices
