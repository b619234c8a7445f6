"""The BLEU table: schemes and lambdas of Figure 7, tokenised and detokenised, against `none`."""

import statistics
from collections.abc import Callable, Iterator

from nlp.exhibits.paired import Comparison, compare
from nlp.metrics import BLEU, BLEU_13A, CHRF, TER
from shared_optim.metric import Metric
from workload.exhibits.cells import (
    COUNTS,
    NOTHING,
    lambda_note,
    mean_and_std,
    row_cells,
    row_head,
    value,
)
from workload.exhibits.document import Cell, Table, Value, cell
from workload.exhibits.grid import RecordGrid, Row, Summary
from workload.exhibits.score_table import best_rows

SCORES = (BLEU, BLEU_13A)
SIGNATURES = ("test/signature", "test/signature_13a")
OTHERS = {CHRF: "test/signature_chrf", TER: "test/signature_ter"}
"""Shown where a run has them; runs of earlier versions do not."""


def bleu_table(grid: RecordGrid, leave_out: Callable[[str], None]) -> Table:
    """A line per corpus, lambda and scheme."""
    rows: list[tuple[Cell, ...]] = []
    data: list[tuple[Value, ...]] = []
    tests: set[str] = set()
    others = [metric for metric in OTHERS if any(_others(grid, metric))]
    for corpus in grid.tasks:
        comparisons = compare(grid, corpus, leave_out)
        own = grid.rows_of(corpus)
        best = [best_rows(grid, own, corpus, score, score.decimals) for score in SCORES]
        for row in own:
            found = comparisons.get(row, [])
            tests |= {comparison.signature for comparison in found}
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
                    cell(", ".join(f"{item.p:.3f}" for item in found) or NOTHING),
                )
            )
            data += _data(corpus, row, scores, found)
    return Table(
        name="bleu",
        title="BLEU of the test set",
        caption=_caption(grid, sorted(tests)),
        head=(
            *("corpus", *row_head(grid), "BLEU, tokenised", "BLEU, 13a"),
            *(metric.label for metric in others),
            "seeds",
            *("13a minus none", "p, by seed"),
        ),
        rows=tuple(rows),
        data_head=(
            *("corpus", "scheme", "lambda", *grid.keys),
            *("tokenised_mean", "tokenised_standard_deviation"),
            *("13a_mean", "13a_standard_deviation"),
            *("seeds_finished", "seeds_present", "seeds_diverged"),
            *("seed", "13a_minus_none", "p_value"),
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


def _data(
    corpus: str, row: Row, summaries: list[Summary], found: list[Comparison]
) -> list[tuple[Value, ...]]:
    """A row per comparison; one without where there is none."""
    tokenised, detokenised = summaries
    fixed: list[Value] = [corpus, row.scheme, row.weight_decay, *row.extras]
    for scores in (tokenised, detokenised):
        fixed += [scores.mean, scores.deviation]
    fixed += [len(tokenised.scores), tokenised.present, tokenised.diverged]
    if not found:
        return [(*fixed, None, None, None)]
    return [(*fixed, item.seed, item.difference, item.p) for item in found]


def _caption(grid: RecordGrid, tests: list[str]) -> str:
    runs = [run for runs in grid.runs.values() for run in runs if run.scores]
    signatures = {
        key: sorted({run.signatures[key] for run in runs if key in run.signatures})
        for key in (*SIGNATURES, *OTHERS.values())
    }
    others = "".join(
        f" {metric.label}{_signed(signatures[key])}."
        for metric, key in OTHERS.items()
        if signatures[key]
    )
    text = (
        "Mean over seeds and sample standard deviation (n - 1) with the best epoch's weights. "
        "Tokenised: tokenised and lower-cased, as in the paper"
        f"{_signed(signatures[SIGNATURES[0]])}. 13a: detokenised, case ignored"
        f"{_signed(signatures[SIGNATURES[1]])}. "
        f"Bold: the highest mean of a corpus.{others} {COUNTS}"
        " p: sacrebleu's paired bootstrap on the 13a texts against the run of none with the same "
        f"corpus, recipe and seed, one value per seed{_signed(tests)}; {NOTHING} where there is "
        "none, 1 where both translate alike. One p-value speaks of the test sentences, not of "
        "seeds."
    )
    return text + lambda_note(grid.rows)


def _signed(signatures: list[str]) -> str:
    return f" (sacrebleu {', '.join(signatures)})" if signatures else ""
