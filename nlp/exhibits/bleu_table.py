"""The BLEU table: schemes and lambdas of Figure 7, tokenised and detokenised, against `none`."""

import statistics
from collections.abc import Callable, Iterator

from nlp.exhibits.paired import Comparison, compare, holm
from nlp.metrics import BLEU, BLEU_13A, CHRF, TER
from shared_optim.metric import Metric
from workload.exhibits.cells import (
    COUNTS,
    NOTHING,
    mean_and_std,
    row_cells,
    row_head,
    value,
)
from workload.exhibits.document import Cell, Table, Value, cell
from workload.exhibits.grid import RecordGrid, Row, Summary
from workload.exhibits.score_table import best_rows, bold_note

SCORES = (BLEU, BLEU_13A)
SIGNATURES = ("test/signature", "test/signature_13a")
OTHERS = {CHRF: "test/signature_chrf", TER: "test/signature_ter"}
"""Shown where a run has them; runs of earlier versions do not."""


def bleu_table(grid: RecordGrid, leave_out: Callable[[str], None]) -> Table:
    """A line per corpus, lambda and scheme."""
    rows: list[tuple[Cell, ...]] = []
    data: list[tuple[Value, ...]] = []
    others = [metric for metric in OTHERS if any(_others(grid, metric))]
    every = {corpus: compare(grid, corpus, leave_out) for corpus in grid.tasks}
    adjusted = _adjusted([c for found in every.values() for own in found.values() for c in own])
    for corpus, comparisons in every.items():
        own = grid.rows_of(corpus)
        best = [best_rows(grid, own, corpus, score, score.decimals) for score in SCORES]
        for row in own:
            found = comparisons.get(row, [])
            scores = [grid.summary(row, corpus, score.key) for score in SCORES]
            rows.append(
                (
                    cell(corpus),
                    *row_cells(row),
                    *(
                        cell(mean_and_std(s.mean, s.deviation, 2), bold=row in top)
                        for s, top in zip(scores, best, strict=True)
                    ),
                    *(cell(_mean(list(_others(grid, each, row, corpus)))) for each in others),
                    cell(scores[0].seeds),
                    cell(_mean_difference(found)),
                    cell(", ".join(f"{adjusted[id(item)]:.3f}" for item in found) or NOTHING),
                    cell(", ".join(f"{item.bootstrap_p:.3f}" for item in found) or NOTHING),
                )
            )
            data += _data(corpus, row, scores, found, adjusted)
    return Table(
        name="bleu",
        title="BLEU of the test set",
        caption=_caption(grid, [c for f in every.values() for own in f.values() for c in own]),
        head=(
            *("corpus", *row_head(grid), "BLEU, tokenised", "BLEU, 13a"),
            *(metric.label for metric in others),
            "seeds",
            *("13a minus none", "p (Holm), by seed", "sacrebleu's p, by seed"),
        ),
        rows=tuple(rows),
        data_head=(
            *("corpus", "scheme", "lambda", *grid.keys),
            *("tokenised_mean", "tokenised_standard_deviation"),
            *("13a_mean", "13a_standard_deviation"),
            *("seeds_finished", "seeds_present", "seeds_diverged", "seeds_planned"),
            *("seed", "13a_minus_none", "p_value", "p_value_holm", "sacrebleu_bootstrap_p_value"),
        ),
        data=tuple(data),
    )


def _others(
    grid: RecordGrid, metric: Metric, row: Row | None = None, corpus: str | None = None
) -> Iterator[float]:
    """The values of a metric beside BLEU in the runs whose scores count."""
    for one in grid.rows if row is None else [row]:
        for task in grid.tasks if corpus is None else [corpus]:
            for record in grid.at(one, task):
                if record.scores and metric.key in record.newest:
                    yield record.newest[metric.key]


def _mean(values: list[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return mean_and_std(statistics.mean(values) if values else None, deviation, 2)


def _mean_difference(found: list[Comparison]) -> str:
    if not found:
        return NOTHING
    return value(sum(item.difference for item in found) / len(found), 2, sign=True)


def _adjusted(comparisons: list[Comparison]) -> dict[int, float]:
    """Holm's p-value of each comparison of the table, by the object's id."""
    p_values = holm([comparison.p for comparison in comparisons])
    return {id(each): p for each, p in zip(comparisons, p_values, strict=True)}


def _data(
    corpus: str,
    row: Row,
    summaries: list[Summary],
    found: list[Comparison],
    adjusted: dict[int, float],
) -> list[tuple[Value, ...]]:
    """A row per comparison; one without where there is none."""
    tokenised, detokenised = summaries
    fixed: list[Value] = [corpus, row.scheme, row.weight_decay, *row.extras]
    for scores in (tokenised, detokenised):
        fixed += [scores.mean, scores.deviation]
    seeds = len(tokenised.scores), tokenised.present, tokenised.diverged, tokenised.planned
    if not found:
        return [(*fixed, *seeds, *(None,) * 5)]
    return [
        (
            *(*fixed, *seeds, item.seed, item.difference),
            *(item.p, adjusted[id(item)], item.bootstrap_p),
        )
        for item in found
    ]


def _caption(grid: RecordGrid, comparisons: list[Comparison]) -> str:
    runs = [run for runs in grid.runs.values() for run in runs if run.scores]
    signatures = {
        key: sorted({run.signatures[key] for run in runs if key in run.signatures})
        for key in (*SIGNATURES, *OTHERS.values())
    }
    tests = _signed(sorted({comparison.signature for comparison in comparisons}))
    others = "".join(
        f" {metric.label}{_signed(signatures[key])}."
        for metric, key in OTHERS.items()
        if signatures[key]
    )
    return (
        "Mean over seeds and sample standard deviation (n - 1) with the best epoch's weights. "
        "Tokenised: tokenised and lower-cased, as in the paper"
        f"{_signed(signatures[SIGNATURES[0]])}. 13a: detokenised, case ignored"
        f"{_signed(signatures[SIGNATURES[1]])}. {bold_note('highest', 'corpus')}{others} {COUNTS}"
        " p (Holm): two-sided paired approximate randomisation on the 13a texts against the run "
        "of none with the same corpus, recipe and seed, one value per seed, with Holm's "
        f"correction over the {len(comparisons)} comparisons of the table; {NOTHING} "
        "where there is none. sacrebleu's p: its paired bootstrap, uncorrected, which between "
        f"equal systems is below .05 far more often than in 5 % of cases{tests}. A p-value "
        "speaks of the test sentences, not of seeds."
    )


def _signed(signatures: list[str]) -> str:
    return f" (sacrebleu {', '.join(signatures)})" if signatures else ""
