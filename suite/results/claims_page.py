"""The page of verdicts: all at a glance, a section per workload that has claims, and what it would
take to decide the rest."""

from collections import Counter
from collections.abc import Iterator, Sequence

from suite.registry import AnyWorkload, load, names
from suite.results.claim_costs import costs_section, read_costs
from suite.results.earlier_claims import EarlierPage, taken_over
from suite.results.provenance import clock_hours
from suite.results.records import by_workload
from workload.claims import claims_table, counted_words, verdicts
from workload.exhibits.claims_figure import claims_figure
from workload.exhibits.document import Document, Section
from workload.exhibits.drawing import typography
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record
from workload.exhibits.verdicts_figure import verdicts_figure
from workload.verdict import FEWEST, FEWEST_ALIKE, Verdict
from workload.wording import counted

TITLE = "What became of the claims"
INTRODUCTION = (
    "What the sources claim of weight decay, and what these runs say of it. Claims and numbers "
    "stand in configs/claims; of what was changed there when runs had been looked at, it says what "
    "it was before.",
    "The rule is one for all claims. A claim is turned into one number per seed that is above 0 "
    "where it holds. It holds where the 95 % interval of the mean over seeds, by "
    "Student's t, lies above 0; it does not hold where that lies below; else it is undecided. "
    f"Below {FEWEST} seeds there is no interval and no verdict. Numbers that are all the same, as "
    f"of an event that no run had, have no spread and so no interval: {FEWEST_ALIKE} of them are a "
    "verdict (a sign test's p is .03), fewer are none.",
    "A verdict is on the runs that are named beside it, at their size, and on no others: that a "
    "claim does not hold of a small network in minutes does not contradict the source, which "
    "claims it of a large one. Nor is anything corrected for the number of claims: of twenty that "
    "are true of nothing, about one will be decided by chance. Where lambda or a rate is chosen on "
    "the other seeds, numbers of different seeds are not quite independent.",
)


def claims_page(
    records: Sequence[Record], last: int, earlier: Sequence[EarlierPage] = ()
) -> tuple[Document, dict[str, list[Verdict]]]:
    """The page on these runs, and the verdicts by the title of each workload.

    Args:
        records: the runs, of any workloads.
        last: evaluations whose mean is a run's score, where a score is a mean.
        earlier: pages whose verdicts stand beside those on these runs.

    Raises:
        UserError: an earlier page, or the claims, cannot be read.
    """
    sections: list[Section] = []
    found: dict[str, list[Verdict]] = {}
    own_of = {own[0].workload: own for own in by_workload(records)}
    with typography():
        for name in names():
            workload = load(name)
            before = taken_over(earlier, workload)
            if workload.report.claims is None or not (name in own_of or before):
                continue
            grids = _by_task(own_of.get(name, []), workload, last)
            own = verdicts(workload, grids, _seed_hours, before)
            found[workload.report.title] = own
            picture = claims_figure(own, f"verdicts_{name}")
            sections.append(
                Section(
                    workload.report.title,
                    (*map(_runs, grids), *_pages(before)),
                    (claims_table(own, f"claims_{name}"),),
                    (picture,) if picture else (),
                )
            )
        if not found:
            return Document(TITLE, INTRODUCTION, ()), found
        glance = Section(
            "At a glance",
            tuple(_glance(title, own) for title, own in found.items()),
            pictures=(verdicts_figure(found, "verdicts"),),
        )
    grids_named = {grid for own in found.values() for each in own for grid in each.claim.grids}
    costs = [cost for cost in read_costs() if cost.grid in grids_named]
    return Document(TITLE, INTRODUCTION, (glance, *sections, *costs_section(costs))), found


def _glance(title: str, own: Sequence[Verdict]) -> str:
    """How many claims runs have tested, and the verdicts, one for each kind of runs."""
    tested, claims = ({v.claim.id for v in own if v.seeds >= least} for least in (1, 0))
    counts = f"{len(tested)} of {counted(len(claims), 'claim')} are tested"
    return f"{title}: {counts}; verdicts: {counted_words(own)}."


def _pages(taken: Sequence[Verdict]) -> Iterator[str]:
    """What was taken over."""
    for page, count in Counter(verdict.page for verdict in taken).items():
        yield f"{page}: {counted(count, 'verdict')} on runs that the provenance describes."


def _by_task(records: Sequence[Record], workload: AnyWorkload, last: int) -> list[RecordGrid]:
    """A grid per task: what its runs have in common need not be said of each."""
    tasks = sorted({record.task for record in records})
    return [
        RecordGrid.of([record for record in records if record.task == task], workload, last)
        for task in tasks
    ]


def _records(grid: RecordGrid) -> list[Record]:
    return [record for cell in grid.runs.values() for record in cell]


def _seed_hours(grid: RecordGrid) -> float | None:
    records = _records(grid)
    hours = clock_hours(records)
    return hours / len({record.member.seed for record in records}) if hours else None


def _runs(grid: RecordGrid) -> str:
    """What there is of a task: what its verdicts rest on."""
    records = _records(grid)
    seeds = len({record.member.seed for record in records})
    hours = clock_hours(records)
    took = f", {hours:.1f} hours by the clock" if hours else ""
    tasks = ", ".join(grid.tasks)
    return f"{tasks}: {counted(len(records), 'run')} of {counted(seeds, 'seed')}{took}."
