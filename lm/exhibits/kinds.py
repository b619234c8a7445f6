"""What a run of a language model is called in tables and figures: its decay, its learning rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared_optim.schemes import BASELINE
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

CONSTANT, DROPPED = "constant", "after the drop"
_OF_KIND = ("learning_rate", "learning_rate_schedule", "warm_up", "branch", "rounds")
_NOT_SHOWN = ("average_weights", "evaluation_windows", "log_every")


@dataclass(frozen=True)
class Kind:
    """Runs that differ in their seed and their learning rate alone.

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
        return Kind(BASELINE, tuple(e for e in self.setting if not e.startswith("decay_")))


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

    A branch is at another alpha than its trunk, and belongs to it all the same.
    """
    found: dict[Kind, list[Record]] = {}
    for row in grid.rows_of(task):
        setting = tuple(
            f"{key}={value}"
            for key, value in zip(grid.keys, row.extras, strict=True)
            if key not in (*_OF_KIND, *_NOT_SHOWN)
        )
        for record in grid.at(row, task):
            found.setdefault(Kind(record.member.name, setting), []).append(record)
    lambdas = {kind: records[0].member.weight_decay for kind, records in found.items()}
    order = sorted(found, key=lambda kind: (kind.setting, lambdas[kind], kind.decay))
    return {kind: found[kind] for kind in order}


def with_rate(records: Sequence[Record], rate: str) -> dict[int, Record]:
    """The finished runs whose alpha goes so, by seed."""
    return {r.member.seed: r for r in records if rate_of(r) == rate and r.scores}
