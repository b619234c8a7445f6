"""Table 1: scores of the games in the paper's layout, the published ones beside ours."""

from rl.exhibits import published
from rl.metrics import RETURN
from workload.exhibits.cells import COUNTS, listed, mean_and_std, value
from workload.exhibits.document import Table
from workload.exhibits.grid import SCHEDULE, RecordGrid, Row
from workload.exhibits.record import Record
from workload.exhibits.score_table import PublishedScores, bold_note, score_table

PAPER = "Bjorck, Weinberger and Gomes, AAAI 2021, Table 1"


def table_1(grid: RecordGrid) -> Table:
    """A line per scheme and lambda, a column per game; Dopamine, random and human below."""
    return score_table(
        grid,
        RETURN,
        name="table1_scores",
        title="Table 1: scores by scheme and lambda",
        caption=_caption(grid),
        decimals=None,
        published=BJORCK,
        below=_references(grid),
    )


def published_score(grid: RecordGrid, row: Row, game: str) -> float | None:
    """The paper's number for the same scheme, lambda and game; it decays from first to last."""
    extras = dict(zip(grid.keys, row.extras, strict=True))
    if extras.get(SCHEDULE, "always") != "always" and row.weight_decay:
        return None
    return published.table_1_scores().get((row.scheme, row.weight_decay, game))


BJORCK = PublishedScores(published_score, published.is_misprint, "Table 1 of the paper, 3 seeds")


def _references(grid: RecordGrid) -> list[tuple[str, list[str | None]]]:
    """Lines below the grid's own: Dopamine's agents, random play, a person."""
    tail, known = published.dopamine_tail(), published.random_and_human()
    lines: list[tuple[str, list[str | None]]] = []
    for agent, name in published.AGENTS.items():
        spreads = [tail.get((agent, game)) for game in grid.tasks]
        texts = [None if s is None else mean_and_std(s.mean, s.deviation) for s in spreads]
        lines.append((name, texts))
    for column, name in enumerate(("random play", "human")):
        texts = [value(known[game][column]) if game in known else None for game in grid.tasks]
        lines.append((name, texts))
    return [(name, texts) for name, texts in lines if any(texts)]


def _caption(grid: RecordGrid) -> str:
    newest = "the last evaluation" if grid.last == 1 else f"the last {grid.last} evaluations"
    text = (
        f"Score of a run: mean return per episode in {newest}, or in all where there "
        "are fewer. In a cell: mean over seeds and sample standard deviation (n - 1), seeds, the "
        f"paper's number and ours minus it ({PAPER}). {bold_note('highest', 'game')} {COUNTS}"
    )
    runs = [run for runs in grid.runs.values() for run in runs]
    if any(run.stands_in for run in runs):
        text += " (train): the recipe evaluates nothing; training returns stand in."
    text += f" {length_note(runs)}"
    return text + (
        " Dopamine's lines are training returns, mean of its last 5 iterations of "
        f"{published.ITERATIONS} over 5 runs (google/dopamine); random and human scores are "
        "dqn_zoo's. A game of Pong "
        "ends at 21 points: the paper's 22 and -27 are misprints, without a difference."
    )


def length_note(runs: list[Record]) -> str:
    """How long our runs are beside the paper's, so that nobody takes a short run for a long one."""
    paper_length = (published.ITERATIONS, published.TRAINING_STEPS)
    lengths = sorted({(run.recipe.iterations, run.recipe.training_steps) for run in runs})
    paper = f"{paper_length[0]} iterations of {paper_length[1]:,} training steps"
    if lengths == [paper_length]:
        return f"Our runs are as long as the paper's: {paper}."
    ours = listed([f"{iterations} of {steps:,}" for iterations, steps in lengths])
    return f"NOT the paper's length: it trained {paper}; our runs have {ours}."
