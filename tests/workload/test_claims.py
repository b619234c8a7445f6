"""Files of claims, the verdicts on planted runs, and the page of them."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from suite.__main__ import main
from suite.batch.grid_file import read_grid
from suite.registry import load, names
from suite.results.claim_costs import read_costs
from tests.suite.results.runs import translation_run
from workload.claims import read_claims
from workload.errors import UserError
from workload.exhibits import claims_figure, verdicts_figure
from workload.verdict import Verdict


@pytest.mark.parametrize("name", names())
def test_every_workload_has_claims_whose_grids_are_shipped(name):
    workload = load(name)
    claims = read_claims(workload.claims_file())
    assert claims
    grids = workload.claims_file().parent.parent / "grids"
    for claim in claims:
        assert all((grids / grid).is_file() for grid in claim.grids), claim.id
        assert claim.scale or claim.source == "control", claim.id


def test_costs_are_of_shipped_grids_with_so_many_runs(tmp_path):
    grids = load("rl").claims_file().parent.parent / "grids"
    costs = read_costs()
    assert {cost.grid: len(read_grid(grids / cost.grid, tmp_path, {}).runs) for cost in costs} == {
        cost.grid: cost.runs for cost in costs
    }
    named = {
        g
        for name in names()
        for claim in read_claims(load(name).claims_file())
        for g in claim.grids
    }
    assert {cost.grid for cost in costs} == {g for g in named if not g.endswith("-small.yaml")}


def test_files_that_are_no_claims(tmp_path):
    file = tmp_path / "claims.yaml"
    assert read_claims(file) == []
    entry = {"id": "a", "claim": "b", "source": "c", "grids": ["d.yaml"], "statistic": "e"}
    file.write_text(json.dumps([entry, entry]))
    with pytest.raises(UserError, match="a is there twice"):
        read_claims(file)
    file.write_text(json.dumps([entry | {"rule": "f"}]))
    with pytest.raises(UserError, match=r"entry a: .*'rule'; its keys are id, claim"):
        read_claims(file)
    file.write_text(json.dumps([{"id": "a"}]))
    with pytest.raises(UserError, match="entry a: 'grids'"):
        read_claims(file)


def study(folder):
    """Translations in which decoupled decay is better by 3 and a seed's number, and l2 drowns."""
    for seed in range(3):
        inside = {"optim/weight_norm": 30.0}
        l2 = {"optim/weight_norm": 21.0 - seed, "optim/drowned_fraction": 0.7 + seed / 100}
        l2 |= {"optim/log_m_over_w/q50": np.log(1e-3) + 0.1 + seed / 100}
        for scheme, bleu, own in (
            ("none", 20.0, {}),
            ("l2", 19.0 - seed / 10, l2),
            ("decoupled", 22.0 + seed, inside),
            ("separated", 23.0 + seed, inside),
        ):
            decay = 0.0 if scheme == "none" else 1e-3
            rows = [{"epoch": 0, "updates": 5, **own}]
            translation_run(folder, "own", scheme, decay, seed, (bleu, bleu), rows=rows)
        for schedule, bleu in (("early:100", 25.0 + seed), ("late:100", 20.0)):
            own = {"decay_schedule": schedule}
            translation_run(folder, "own", "decoupled", 1e-3, seed, (bleu, bleu), **own)


@pytest.mark.slow
def test_the_command_prints_verdicts_and_writes_the_page(tmp_path, capsys):
    study(tmp_path / "runs")
    out = tmp_path / "out"
    assert main(["claims", str(tmp_path / "runs"), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "Translation" in printed
    assert "not tested" in printed
    text = (out / "report.md").read_text()
    assert "at the same lambda decoupled decay translates better than l2" in text
    assert (out / "figures" / "verdicts_nlp.png").exists()
    assert "own: 18 runs of 3 seeds." in text
    assert "figure7.yaml | 30 |" in text
    assert "table1.yaml | 312" not in text  # no agent is judged
    glance = text.partition("## At a glance")[2].partition("## Translation")[0]
    assert "Translation: 9 of 18 claims are tested; verdicts: holds 9, not tested 9." in glance
    assert "(figures/verdicts.png)" in glance
    assert main(["claims", str(tmp_path / "nothing")]) == 2


@pytest.mark.parametrize("name", names())
def test_every_claim_fits_its_column_of_the_picture(name):
    """By the letters' own widths, it and its place; else they would run into what is beside."""
    font = FontProperties(size=verdicts_figure.LETTER)

    def end(text, start):
        return start + TextPath((0, 0), text, prop=font).get_extents().x1 / 72

    for claim in read_claims(load(name).claims_file()):
        place = verdicts_figure.place_of(claim)
        assert end(claim.claim, verdicts_figure.CLAIM) < verdicts_figure.PLACE, claim.claim
        assert end(place, verdicts_figure.PLACE) < verdicts_figure.INTERVALS, place


@pytest.mark.parametrize(
    ("numbers", "dot"),
    [
        ([1.0, 2.0, 3.0], 2 / (4.302653 / 3**0.5)),
        ([-1.0, 0.0, 1.0], 0.0),
        ([-1e6, -1e6, -1e6 + 1], -claims_figure.FURTHEST),
    ],
)
def test_where_the_dot_of_a_claim_stands(numbers, dot):
    """At the mean over the half-width of its interval, by the tables of Student."""
    axes = Figure().add_subplot()
    claim = read_claims(load("lm").claims_file())[0]
    claims_figure.draw_interval(axes, 0, Verdict.of(claim, "runs", numbers))
    bar, shown = axes.lines
    assert shown.get_xdata()[0] == pytest.approx(dot, rel=1e-6)
    assert list(bar.get_xdata()) == pytest.approx([dot - 1, dot + 1], rel=1e-6)


@pytest.mark.parametrize(
    ("number", "ring"),
    [(0.0, 0.0), (2.0, claims_figure.FURTHEST), (-2.0, -claims_figure.FURTHEST)],
)
@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_numbers_that_are_all_the_same_are_a_ring_without_a_bar(number, ring, seeds):
    axes = Figure().add_subplot()
    claim = read_claims(load("lm").claims_file())[0]
    verdict = Verdict.of(claim, "runs", [number] * seeds)
    claims_figure.draw_interval(axes, 0, verdict)
    assert [line.get_xdata()[0] for line in axes.lines] == ([ring] if seeds > 2 else [])
    assert all(line.get_markerfacecolor() == "white" for line in axes.lines)
