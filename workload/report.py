"""What a workload tells of its results: declared in one object, read by table, plot, status and
report. Importing it imports neither torch nor numpy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared_optim.metric import Metric

if TYPE_CHECKING:
    from workload.exhibits.document import Picture, Table
    from workload.exhibits.grid import RecordGrid

    Exhibit = Table | Picture | str | None
    """A table, a figure, or a paragraph under the section's heading; None without values."""
    LeaveOut = Callable[[str], None]
    """Told what was left out of an exhibit, and why."""
    Exhibits = Callable[[RecordGrid, LeaveOut], Sequence[Exhibit]]
    ClaimNumbers = Callable[[RecordGrid], Mapping[str, Mapping[str, Sequence[float]]]]
    """By what the runs are of, and by a claim's id, a number per seed; see `workload.claims`."""
    NumbersAcross = Callable[[Sequence[RecordGrid]], Mapping[str, Mapping[str, Sequence[float]]]]
    """The same of several tasks, in a grid each."""


@dataclass(frozen=True)
class Curve:
    """A learning curve of the plot.

    Attributes:
        title: what stands above it.
        metric: whose values of evaluation rows are drawn.
        between: whether rows during training have it, too or alone; drawn as a rough line.
    """

    title: str
    metric: Metric
    between: bool = False


@dataclass(frozen=True)
class Report:
    """What a workload's runs come to.

    Attributes:
        title: heading of its section.
        scores: the figures of a finished run, the main one first; all of one evaluation row.
        curves: the learning curves.
        others: further columns of the table, of evaluation rows or of those during training.
        drawn: further metrics that its exhibits draw, of either.
        task, tasks: the word for what is trained on, e.g. game and games.
        mean_of_last: whether a score is the mean of the last evaluations, not the newest one.
        defaults: whose the recipe's defaults are, as in `All recipes are the paper's`.
        beside: published figures of a task by their name, which the table shows beside a score.
        exhibits: its tables and figures, in order; None for those that every workload can have.
        claims: what its runs say of the claims in `configs/claims`; None where there are none.
        claims_across: what runs on several tasks say together, where something is claimed of that.
    """

    title: str
    scores: tuple[Metric, ...]
    curves: tuple[Curve, ...]
    others: tuple[Metric, ...] = ()
    drawn: tuple[Metric, ...] = ()
    task: str = "task"
    tasks: str = "tasks"
    mean_of_last: bool = False
    defaults: str = "the workload's defaults"
    beside: Callable[[str], Mapping[str, float]] = lambda task: {}
    exhibits: "Exhibits | None" = None
    claims: "ClaimNumbers | None" = None
    claims_across: "NumbersAcross | None" = None

    @property
    def columns(self) -> tuple[Metric, ...]:
        """Of the table."""
        return (*self.scores, *self.others)
