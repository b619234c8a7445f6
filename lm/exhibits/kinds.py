"""What a run of a language model is called in tables and figures: its decay, its learning rate."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared_optim.schemes import BASELINE
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

CONSTANT, DROPPED = "constant", "after the drop"
_OF_KIND = ("learning_rate", "learning_rate_schedule", "warm_up", "branch", "rounds")
_PEAK = ("learning_rate", "warm_up", "rounds")
_NOT_SHOWN = ("average_weights", "evaluation_windows", "log_every")


@dataclass(frozen=True)
class Kind:
    """Runs that differ in their seed, and in how their learning rate goes on from one peak.

    Attributes:
        decay: scheme and lambda, as `none` or `decoupled-3e-1`.
        setting: what else runs of the report differ in, as `layers=4`.
    """

    decay: str
    setting: tuple[str, ...]

    @property
    def label(self) -> str:
        return " ".join((self.decay, *self.setting))

    @property
    def baseline(self) -> "Kind":
        """The same without decay."""
        return Kind(BASELINE, _without_decay(self.setting))


def rate_of(record: Record) -> str:
    """How alpha goes: `constant`, `cosine`, `wsd`, `steps`, or `after the drop` of a branch."""
    if record.values.get("branch"):
        return DROPPED
    return str(record.values["learning_rate_schedule"]).partition(":")[0]


def precision_of(record: Record) -> str:
    """`float32`, `bf16 autocast` or `bf16 weights`: three experiments."""
    if record.values.get("weights") == "bf16":
        return "bf16 weights"
    return "bf16 autocast" if record.values["precision"] == "bf16" else "float32"


def kinds(grid: RecordGrid, task: str) -> Mapping[Kind, Sequence[Record]]:
    """The runs of a task, put together, those without decay first.

    A branch is at another alpha than its trunk, and belongs to it all the same. Where runs that
    are else alike differ in their peak, their length, or where their alpha goes, these tell them
    apart: none is compared with one of another learning rate. What keys of the decay say of a run
    without any is not told.
    """
    settings = [
        (tuple(f"{k}={v}" for k, v in zip(grid.keys, row.extras, strict=True) if _told(k)), record)
        for row in grid.rows_of(task)
        for record in grid.at(row, task)
    ]
    alike: dict[tuple[tuple[str, ...], str], list[dict[str, str]]] = {}
    for setting, record in settings:
        group = _without_decay(setting), rate_of(record)
        alike.setdefault(group, []).append(_course(record))
    found: dict[Kind, list[Record]] = {}
    for setting, record in settings:
        base, course = _without_decay(setting), _course(record)
        told = base if record.member.scheme == BASELINE else setting
        apart = {
            key
            for (other, rate), courses in alike.items()
            if other == base
            for key in _differing(courses)
            if key in _PEAK or rate == rate_of(record)
        }
        more = (f"{key}={value}" for key, value in course.items() if key in apart)
        found.setdefault(Kind(record.member.name, (*told, *more)), []).append(record)
    lambdas = {kind: records[0].member.weight_decay for kind, records in found.items()}
    order = sorted(found, key=lambda kind: (kind.setting, lambdas[kind], kind.decay))
    return {kind: found[kind] for kind in order}


def _told(key: str) -> bool:
    return key not in (*_OF_KIND, *_NOT_SHOWN)


def _without_decay(setting: Iterable[str]) -> tuple[str, ...]:
    return tuple(each for each in setting if not each.startswith("decay_"))


def _course(record: Record) -> dict[str, str]:
    """How alpha goes: its peak and length, of a branch those that the name of its trunk tells, and
    how it falls."""
    values = record.values
    branch = str(values.get("branch") or "")
    peak = {
        "learning_rate": values["learning_rate"],
        "warm_up": values["warm_up"],
        "rounds": values["rounds"] if branch else record.compared_length,
    }
    peak |= dict(re.findall(rf",({'|'.join(_PEAK)})=([^,@]+)", branch))
    falls = {"fall": str(values["learning_rate_schedule"])}
    if branch:
        at = branch.rpartition("@")[2]
        falls = {"fall": f"{values['learning_rate']:g}@{at} to {values['rounds']}"}
    return {key: f"{float(value):g}" for key, value in peak.items()} | falls


def _differing(courses: Sequence[Mapping[str, str]]) -> set[str]:
    return {key for key in courses[0] if len({course[key] for course in courses}) > 1}


def with_rate(records: Sequence[Record], rate: str) -> dict[int, Record]:
    """The finished runs whose alpha goes so, by seed."""
    return {r.member.seed: r for r in records if rate_of(r) == rate and r.scores}
