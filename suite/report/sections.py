"""What a report says of each workload."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields

from suite.report.aggregates import Normalised, aggregate_table, profile_table
from suite.report.bleu_table import TOKENISED, bleu_table
from suite.report.differences import difference_table
from suite.report.document import TITLE, Document, Picture, Section
from suite.report.drawing import typography
from suite.report.grid import Grid
from suite.report.inside import norm_figure, quantile_figure
from suite.report.learning_curves import bleu_figure, return_figure
from suite.report.records import Record, printable
from suite.report.score_table import KEY, score_table
from suite.report.stability import profile_figure, stability_figure
from suite.report.wording import listed

INTRODUCTION = (
    "After Bjorck, Weinberger and Gomes, Understanding Decoupled and Early Weight Decay, AAAI "
    "2021: none is their orig, l2 their WD, decoupled AdamW, separated their Algorithm 1. "
    "Nothing is imputed: what was not finished is missing."
)

NO_AGGREGATES = (
    "No aggregates over games: there is no game with published random and human scores in which "
    "every line that has a score anywhere has one."
)


def document(records: Sequence[Record], last: int, leave_out: Callable[[str], None]) -> Document:
    """The report on these runs: a section per workload.

    Args:
        records: the runs, of any workloads.
        last: evaluations whose mean is a run's score.
        leave_out: told what had to be left out of a test, and why.
    """
    sections = []
    with typography():
        games = [record for record in records if record.workload.NAME == "rl"]
        if games:
            sections.append(_games(games, last))
        corpora = [record for record in records if record.workload.NAME == "nlp"]
        if corpora:
            sections.append(_translation(corpora, leave_out))
    return Document(TITLE, (INTRODUCTION,), tuple(sections))


def _games(records: Sequence[Record], last: int) -> Section:
    grid = Grid.of(records)
    normalised = Normalised.of(grid)
    tables = [score_table(grid, last)]
    if normalised.games:
        tables += [aggregate_table(grid, normalised), profile_table(grid, normalised)]
    tables.append(difference_table(grid, KEY))
    pictures = [
        stability_figure(grid, KEY, "score", "stability_games"),
        *([profile_figure(grid, normalised)] if normalised.games else []),
        *(return_figure(grid, game, "eval") for game in grid.subjects),
        *(return_figure(grid, game, "train") for game in grid.subjects),
        *(
            quantile_figure(grid, game, f"quantiles_{grid.file_name(game)}")
            for game in grid.subjects
        ),
        norm_figure(grid, "weight_norm_games"),
    ]
    about = _about(records, grid)
    if not normalised.games:
        about += (NO_AGGREGATES,)
    return Section("DQN on Atari", about, tuple(tables), _drawn(pictures))


def _translation(records: Sequence[Record], leave_out: Callable[[str], None]) -> Section:
    grid = Grid.of(records)
    tables = [bleu_table(grid, leave_out), difference_table(grid, TOKENISED, decimals=2)]
    pictures = [
        stability_figure(grid, TOKENISED, "test BLEU, tokenised", "stability_corpora"),
        *(
            bleu_figure(grid, corpus, f"bleu_epochs_{grid.file_name(corpus)}")
            for corpus in grid.subjects
        ),
        *(
            quantile_figure(grid, corpus, f"quantiles_{grid.file_name(corpus)}")
            for corpus in grid.subjects
        ),
        norm_figure(grid, "weight_norm_corpora"),
    ]
    return Section("Translation", _about(records, grid), tuple(tables), _drawn(pictures))


def _drawn(pictures: Iterable[Picture | None]) -> tuple[Picture, ...]:
    return tuple(picture for picture in pictures if picture is not None)


def _about(records: Sequence[Record], grid: Grid) -> tuple[str, ...]:
    count = {
        status: sum(record.status == status for record in records)
        for status in ("finished", "diverged", "failed", "unfinished")
    }
    # A run that failed and one that goes on are alike here: a retry must not change the page.
    going = count["failed"] + count["unfinished"]
    kinds = [
        f"{count['finished']} finished",
        f"{count['diverged']} diverged",
        f"{going} unfinished",
    ]
    text = f"{len(records)} runs on {listed(grid.subjects)}: {', '.join(kinds)}."
    differ = f" Runs differ in {listed(grid.keys)}, which tables show." if grid.keys else ""
    return (text + differ, _recipe_note(records))


def _recipe_note(records: Sequence[Record]) -> str:
    """Where recipes leave the workload's defaults, which are the paper's."""
    workload = records[0].workload
    default = workload.Recipe()
    found: dict[str, set[str]] = {}
    for record in records:
        for field in fields(record.recipe):
            ours = getattr(record.recipe, field.name)
            if field.name != workload.SUBJECT and ours != getattr(default, field.name):
                found.setdefault(field.name, set()).add(printable(str(ours)))
    if not found:
        return "All recipes are the paper's."
    changes = (f"{key} {listed(sorted(texts))}" for key, texts in found.items())
    return f"Recipes are the paper's but for: {'; '.join(changes)}."
