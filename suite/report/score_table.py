"""Table 1: scores of the games in the paper's layout, the published ones beside ours."""

from suite.report import published
from suite.report.document import Cell, Table, Value, cell
from suite.report.grid import SCHEDULE, Grid, Row, Summary
from suite.report.records import Record
from suite.report.wording import (
    COUNTS,
    digits,
    lambda_note,
    listed,
    row_cells,
    row_head,
    spread,
    value,
)

KEY = "eval/return"
PAPER = "Bjorck, Weinberger and Gomes, AAAI 2021, Table 1"
DATA_HEAD = (
    "game",
    "mean",
    "standard_deviation",
    "seeds_finished",
    "seeds_present",
    "seeds_diverged",
    "best_of_game",
    "published",
    "difference",
)


def score_table(grid: Grid, last: int) -> Table:
    """A line per scheme and lambda, a column per game; Dopamine, random and human below."""
    best = {game: _best(grid, game) for game in grid.subjects}
    rows, data = [], []
    for row in grid.rows:
        line = list(row_cells(row))
        for game in grid.subjects:
            summary = grid.summary(row, game, KEY)
            theirs = published_score(grid, row, game)
            is_best = row in best[game]
            line.append(_cell(grid, row, game, summary, theirs, is_best))
            if summary.present:
                difference = _difference(game, summary.mean, theirs)
                values = _values(summary, is_best, theirs, difference)
                data.append((*_row_values(row), game, *values))
        rows.append(tuple(line))
    return Table(
        name="table1_scores",
        title="Table 1: scores by scheme and lambda",
        caption=_caption(grid, last),
        head=(*row_head(grid), *grid.subjects),
        rows=(*rows, *_references(grid)),
        data_head=("scheme", "lambda", *grid.keys, *DATA_HEAD),
        data=tuple(data),
    )


def published_score(grid: Grid, row: Row, game: str) -> float | None:
    """The paper's number for the same scheme, lambda and game; it decays from first to last."""
    extras = dict(zip(grid.keys, row.extras, strict=True))
    if extras.get(SCHEDULE, "always") != "always" and row.scheme != "none":
        return None
    return published.table_1().get((row.scheme, row.weight_decay, game))


def _best(grid: Grid, game: str) -> set[Row]:
    """The rows with the highest mean as printed; none where there is nothing to compare."""
    means = {row: grid.summary(row, game, KEY).mean for row in grid.rows}
    printed = {row: round(mean, digits(mean)) for row, mean in means.items() if mean is not None}
    if len(printed) < 2:
        return set()
    return {row for row, mean in printed.items() if mean == max(printed.values())}


def _cell(
    grid: Grid, row: Row, game: str, summary: Summary, theirs: float | None, is_best: bool
) -> Cell:
    if not summary.present:
        return cell("-")
    marked = " (train)" if any(run.stands_in for run in grid.at(row, game)) else ""
    lines = [spread(summary.mean, summary.deviation) + marked, f"seeds {summary.seeds}"]
    if theirs is not None:
        difference = _difference(game, summary.mean, theirs)
        beside = ""
        if published.is_misprint(game, theirs):
            beside = " (misprint)"
        elif difference is not None:
            beside = f" ({value(difference, digits(summary.mean or 0.0), sign=True)})"
        lines.append(f"paper {value(theirs, 0)}{beside}")
    return cell(*lines, bold=is_best)


def _difference(game: str, mean: float | None, theirs: float | None) -> float | None:
    """Ours minus the paper's; None where there is no such thing."""
    if mean is None or theirs is None or published.is_misprint(game, theirs):
        return None
    return mean - theirs


def _row_values(row: Row) -> tuple[Value, ...]:
    return row.scheme, row.weight_decay, *row.extras


def _values(
    summary: Summary, is_best: bool, theirs: float | None, difference: float | None
) -> tuple[Value, ...]:
    return (
        summary.mean,
        summary.deviation,
        len(summary.scores),
        summary.present,
        summary.diverged,
        int(is_best),
        theirs,
        difference,
    )


def _references(grid: Grid) -> list[tuple[Cell, ...]]:
    """Lines below the grid's own: Dopamine's agents, random play, a person."""
    blank = [cell("")] * (1 + len(grid.keys))
    tail, known = published.dopamine_tail(), published.random_and_human()
    lines = []
    for agent, name in published.AGENTS.items():
        spreads = [tail.get((agent, game)) for game in grid.subjects]
        texts = [s and spread(s.mean, s.deviation) for s in spreads]
        lines.append((name, texts))
    for place, name in enumerate(("random play", "human")):
        texts = [value(known[g][place]) if g in known else None for g in grid.subjects]
        lines.append((name, texts))
    return [
        (cell(name), *blank, *(cell(text or "-") for text in texts))
        for name, texts in lines
        if any(texts)
    ]


def _caption(grid: Grid, last: int) -> str:
    newest = "the last evaluation" if last == 1 else f"the last {last} evaluations"
    text = (
        f"Score of a run: mean return per episode in {newest}, or in all where there "
        "are fewer. In a cell: mean over seeds and sample standard deviation (n - 1), seeds, the "
        f"paper's number and ours minus it ({PAPER}). Bold: the highest mean of a game. {COUNTS}"
    )
    runs = [run for runs in grid.runs.values() for run in runs]
    if any(run.stands_in for run in runs):
        text += " (train): the recipe evaluates nothing; training returns stand in."
    text += f" {length_note(runs)}"
    text += (
        " Dopamine's lines are training returns, mean of its last 5 iterations of "
        f"{published.ITERATIONS} over 5 runs (google/dopamine); random and human scores are "
        "dqn_zoo's. A game of Pong "
        "ends at 21 points: the paper's 22 and -27 are misprints, without a difference."
    )
    return text + lambda_note(grid.rows)


def length_note(runs: list[Record]) -> str:
    """How long our runs are beside the paper's, so that nobody takes a short run for a long one."""
    theirs = (published.ITERATIONS, published.TRAINING_STEPS)
    lengths = sorted({(run.recipe.iterations, run.recipe.training_steps) for run in runs})
    paper = f"{theirs[0]} iterations of {theirs[1]:,} training steps"
    if lengths == [theirs]:
        return f"Our runs are as long as the paper's: {paper}."
    ours = listed([f"{iterations} of {steps:,}" for iterations, steps in lengths])
    return f"NOT the paper's length: it trained {paper}; our runs have {ours}."
