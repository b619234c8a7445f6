"""Table 1 of a small grid made by hand: means, deviations, counts, bold, the paper's numbers."""

import statistics

import pytest

from rl.exhibits.table_1 import table_1
from tests.suite.results.runs import game_run, grid_of, records_of_table

MINUS = "\N{MINUS SIGN}"
RETURNS = {
    ("Pong", "none", 0.0): [18.0, 20.0, 19.6],
    ("Pong", "l2", 1e-3): [-21.0, -20.0, -20.5],
    ("Pong", "decoupled", 1e-3): [21.0, 19.9, 20.9],
    ("Pong", "separated", 3e-4): [5.0, 6.0, 10.0],
    ("Breakout", "none", 0.0): [150.0, 160.4, 171.0],
    ("Breakout", "l2", 1e-3): [1.0, 1.5, 0.5],
    ("Breakout", "decoupled", 1e-3): [1000.0, 1300.0, 1600.0],
}
PAPER = {"Pong": {"none": 19, "l2": -27, "decoupled": 22}, "Breakout": {"none": 52, "l2": 1}}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    runs = [
        game_run(folder, game, scheme, decay, seed, [0.0, 0.0, score], iterations=3)
        for (game, scheme, decay), scores in RETURNS.items()
        for seed, score in enumerate(scores)
    ]
    return table_1(grid_of(runs, last=1))


def line(table, *head):
    """A line's cells after those of its heading, by game."""
    for row in table.rows:
        if tuple(cell.lines[0] for cell in row[: len(head)]) == head:
            return dict(zip(table.head[2:], row[2:], strict=True))
    raise AssertionError(f"no line {head}")


def test_every_cell_is_mean_and_sample_deviation_over_its_seeds(table):
    for record in records_of_table(table):
        scores = RETURNS[record["game"], record["scheme"], record["lambda"]]
        assert record["mean"] == pytest.approx(statistics.mean(scores), rel=1e-12)
        assert record["standard_deviation"] == pytest.approx(statistics.stdev(scores), rel=1e-12)
        assert (record["seeds_finished"], record["seeds_present"]) == (3, 3)
    assert len(table.data) == len(RETURNS)


def test_the_papers_number_and_the_difference_stand_beside(table):
    for record in records_of_table(table):
        theirs = PAPER[record["game"]].get(record["scheme"])
        if record["game"] == "Breakout" and record["scheme"] == "decoupled":
            theirs = 77
        assert record["published"] == theirs
        mean = statistics.mean(RETURNS[record["game"], record["scheme"], record["lambda"]])
        known = theirs is not None and (record["game"] != "Pong" or abs(theirs) <= 21)
        expected = pytest.approx(mean - theirs, abs=1e-9) if known else None
        assert record["difference"] == expected


@pytest.mark.parametrize(
    ("head", "game", "lines"),
    [
        (("none", "-"), "Pong", ("19.2 ± 1.1", "seeds 3/3", "paper 19 (+0.2)")),
        (("none", "-"), "Breakout", ("160 ± 11", "seeds 3/3", "paper 52 (+108)")),
        (
            ("l2", "1e-3"),
            "Pong",
            (f"{MINUS}20.5 ± 0.5", "seeds 3/3", f"paper {MINUS}27 (misprint)"),
        ),
        (("l2", "1e-3"), "Breakout", ("1.0 ± 0.5", "seeds 3/3", "paper 1 (+0.0)")),
        (("decoupled", "1e-3"), "Breakout", ("1,300 ± 300", "seeds 3/3", "paper 77 (+1,223)")),
        (("separated", "3e-4"), "Pong", ("7.0 ± 2.6", "seeds 3/3")),
        (("separated", "3e-4"), "Breakout", ("-",)),
    ],
)
def test_a_cell_reads(table, head, game, lines):
    assert line(table, *head)[game].lines == lines


def test_the_best_of_each_game_is_bold_and_no_other(table):
    bold = {
        (game, row[0].lines[0])
        for row in table.rows
        for game, cell in zip(table.head[2:], row[2:], strict=True)
        if cell.bold
    }
    assert bold == {("Pong", "decoupled"), ("Breakout", "decoupled")}
    best = {(r["game"], r["scheme"]) for r in records_of_table(table) if r["best_of_game"]}
    assert best == bold


def test_dopamine_random_and_human_stand_below(table):
    """Dopamine 2018's last five iterations of Pong: results/published."""
    heads = [row[0].lines[0] for row in table.rows[4:]]
    assert heads == [
        *("Dopamine 2018 (RMSProp, Huber)", "Dopamine 2021 (Adam, MSE)"),
        *("Dopamine 2024 (Adam, MSE)", "random play", "human"),
    ]
    below = {row[0].lines[0]: [cell.lines[0] for cell in row[2:]] for row in table.rows[4:]}
    assert below["Dopamine 2024 (Adam, MSE)"][0] == "207 ± 13"  # Breakout, 206.656 and 12.566
    assert below["random play"] == ["1.7", f"{MINUS}20.7"]
    assert below["human"] == ["30.5", "14.6"]


def small(tmp_path, cells, last=1, **recipe):
    """The table of runs on Pong: (scheme, lambda, status, returns) per cell, one seed each."""
    seeds = {}
    runs = []
    for scheme, decay, status, returns in cells:
        seed = seeds[scheme, decay] = seeds.get((scheme, decay), -1) + 1
        runs.append(game_run(tmp_path, "Pong", scheme, decay, seed, returns, status, **recipe))
    return table_1(grid_of(runs, last))


def bold(table):
    return [row[0].lines[0] for row in table.rows if any(cell.bold for cell in row)]


LOWER = [("separated", 1e-3, "finished", [4.0]), ("separated", 1e-4, "finished", [3.0])]
"""Two rows that make it possible for two others to be the best."""


def test_equal_means_are_bold_together(tmp_path):
    cells = [("none", 0.0, "finished", [5.0]), ("l2", 1e-3, "finished", [5.0]), *LOWER]
    assert bold(small(tmp_path, cells)) == ["none", "l2"]


def test_where_most_rows_are_equally_good_none_is_bold(tmp_path):
    cells = [(scheme, 1e-3, "finished", [5.0]) for scheme in ("l2", "decoupled", "stable")]
    assert bold(small(tmp_path / "a", cells)) == []
    assert bold(small(tmp_path / "b", [*cells, *LOWER])) == []


def test_a_cell_with_seeds_missing_is_not_bold(tmp_path):
    cells = [("l2", 1e-3, "finished", [50.0]), ("l2", 1e-3, "diverged", [1.0])]
    for scheme, score in (("decoupled", 5.0), ("separated", 4.0)):
        cells += [(scheme, 1e-3, "finished", [score + seed]) for seed in range(2)]
    assert bold(small(tmp_path, cells)) == ["decoupled"]


def test_a_cell_says_how_many_seeds_it_should_have(tmp_path):
    cells = [("none", 0.0, "finished", [x]) for x in (1.0, 2.0, 3.0)]
    cells += [("l2", 1e-3, "finished", [x]) for x in (1.0, 2.0)]
    table = small(tmp_path, cells)
    assert line(table, "l2", "1e-3")["Pong"].lines[1] == "seeds 2/3"
    planned = {record["scheme"]: record["seeds_planned"] for record in records_of_table(table)}
    assert planned == {"none": 3, "l2": 3}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (7.04, 6.96, ["none", "l2"]),  # 7.0 and 7.0
        (7.06, 6.96, ["none"]),  # 7.1 and 7.0
        (1000.4, 999.6, ["none", "l2"]),  # 1,000 and 1,000
        (1000.6, 999.6, ["none"]),  # 1,001 and 1,000
    ],
)
def test_what_is_printed_alike_is_bold_alike(tmp_path, first, second, expected):
    cells = [("none", 0.0, "finished", [first]), ("l2", 1e-3, "finished", [second]), *LOWER]
    assert bold(small(tmp_path, cells)) == expected


def test_a_row_alone_is_not_the_best(tmp_path):
    assert bold(small(tmp_path, [("none", 0.0, "finished", [5.0])])) == []


def test_runs_that_did_not_finish_are_counted_and_nothing_stands_in_for_them(tmp_path):
    cells = [
        ("l2", 1e-3, "finished", [3.0]),
        ("l2", 1e-3, "diverged", [900.0]),
        ("l2", 1e-3, "failed", [800.0]),
        ("l2", 1e-3, "unfinished", [700.0]),
        ("none", 0.0, "unfinished", [600.0]),
    ]
    table = small(tmp_path, cells)
    assert line(table, "l2", "1e-3")["Pong"].lines == (
        "3.0 ± -",
        "seeds 1/4, 1 diverged",
        f"paper {MINUS}27 (misprint)",
    )
    assert line(table, "none", "-")["Pong"].lines == ("-", "seeds 0/4", "paper 19")
    assert [record["mean"] for record in records_of_table(table)] == [None, 3.0]
    assert bold(table) == []


@pytest.mark.parametrize(("last", "expected"), [(1, "30.0 ± -"), (2, "20.0 ± -"), (9, "15.0 ± -")])
def test_last_says_how_many_evaluations_make_a_score(tmp_path, last, expected):
    """Of 5, 10, 30."""
    table = small(tmp_path, [("none", 0.0, "finished", [5.0, 10.0, 30.0])], last)
    assert line(table, "none", "-")["Pong"].lines[0] == expected
    newest = "the last evaluation," if last == 1 else f"the last {last} evaluations,"
    assert newest in table.caption


def test_a_recipe_that_evaluates_nothing_is_marked_as_training(tmp_path):
    table = small(tmp_path, [("none", 0.0, "finished", [2.0])], evaluation_steps=0)
    assert line(table, "none", "-")["Pong"].lines[0] == "20.0 ± - (train)"
    assert "(train): the recipe evaluates nothing" in table.caption


def test_an_evaluated_recipe_is_not_marked(table):
    assert "(train)" not in table.caption
    assert not any("(train)" in cell.lines[0] for row in table.rows for cell in row)


def test_a_schedule_is_not_compared_with_the_paper_which_decays_throughout(tmp_path):
    runs = [
        game_run(tmp_path, "Pong", scheme, decay, 0, [1.0], decay_schedule=schedule)
        for scheme, decay, schedule in (
            ("l2", 1e-3, "always"),
            ("l2", 1e-3, "early:100"),
            ("none", 0.0, "early:100"),
        )
    ]
    records = records_of_table(table_1(grid_of(runs, 1)))
    found = {(r["scheme"], r["decay_schedule"]): r["published"] for r in records}
    assert found == {("l2", "always"): -27, ("l2", "early:100"): None, ("none", "early:100"): 19}


def test_the_caption_says_whether_runs_are_as_long_as_the_papers(tmp_path):
    short = small(tmp_path / "a", [("none", 0.0, "finished", [1.0])])
    assert (
        "NOT the paper's length: it trained 200 iterations of 250,000 training steps; "
        "our runs have 3 of 1,000." in short.caption
    )
    paper = {"iterations": 200, "training_steps": 250_000}
    full = small(tmp_path / "b", [("none", 0.0, "finished", [1.0])], **paper)
    assert "Our runs are as long as the paper's: 200 iterations of 250,000" in full.caption
