"""The page of verdicts: a section per workload that has claims."""

from collections.abc import Sequence

from suite.registry import load, names
from suite.results.records import by_workload
from workload.claims import Verdict, claims_table, verdicts
from workload.exhibits.claims_figure import claims_figure
from workload.exhibits.document import Document, Section
from workload.exhibits.drawing import typography
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

TITLE = "What became of the claims"
INTRODUCTION = (
    "Claims, statistics and the rule of the verdict were written before the runs were looked at; "
    "they stand in configs/claims. A verdict is on the scale of these runs and on no other."
)


def claims_page(records: Sequence[Record], last: int) -> tuple[Document, dict[str, list[Verdict]]]:
    """The page on these runs, and the verdicts by the title of each workload.

    Args:
        records: the runs, of any workloads.
        last: evaluations whose mean is a run's score, where a score is a mean.
    """
    sections, found = [], {}
    own_of = {own[0].workload: own for own in by_workload(records)}
    with typography():
        for name in names():
            workload = load(name)
            if name not in own_of or workload.report.claims is None:
                continue
            own = verdicts(workload, RecordGrid.of(own_of[name], workload, last))
            picture = claims_figure(own, f"verdicts_{name}")
            sections.append(
                Section(
                    workload.report.title,
                    (f"{len(own_of[name])} runs.",),
                    (claims_table(own, f"claims_{name}"),),
                    (picture,) if picture else (),
                )
            )
            found[workload.report.title] = own
    return Document(TITLE, (INTRODUCTION,), tuple(sections)), found
