"""Which training pairs are left out: what Moses' clean-corpus-n.perl does, with a count of why."""

from collections.abc import Sequence
from dataclasses import dataclass, field

RATIO = 1.5  # of the longer to the shorter side, in tokens
LONGEST = 175  # tokens
NAMED = 5  # line numbers named per reason


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


def reason_to_drop(source: str, target: str, ratio: float = RATIO) -> str | None:
    """Why this pair of tokenised lines is left out of training; None keeps it."""
    if not source or not target:
        return "empty"
    lengths = source.count(" ") + 1, target.count(" ") + 1
    if max(lengths) > LONGEST:
        return f"over {LONGEST} tokens"
    if max(lengths) / min(lengths) > ratio:
        return f"length ratio over {ratio}"
    return None


def kept(
    sources: Sequence[str], targets: Sequence[str], dropped: Dropped, ratio: float = RATIO
) -> list[int]:
    """Indices, from 0, of the pairs that stay. The others are added to `dropped`."""
    indices = []
    for index, (source, target) in enumerate(zip(sources, targets, strict=True)):
        reason = reason_to_drop(source, target, ratio)
        if reason is None:
            indices.append(index)
        else:
            dropped.add(reason, index + 1)
    return indices
