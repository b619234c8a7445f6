"""Intervals and verdicts of known numbers, and files of claims."""

import json

import numpy as np
import pytest

from suite.__main__ import main
from suite.batch.grid_file import read_grid
from suite.registry import load, names
from suite.results.claim_costs import read_costs
from tests.suite.results.runs import grid_of, translation_run
from workload.claims import (
    Claim,
    Verdict,
    interval,
    read_claims,
    seeds_needed,
    smallest_shown,
    verdict_of,
    verdicts,
)
from workload.errors import UserError
from workload.exhibits.power import smallest_shift


def test_interval_by_the_tables_of_student():
    """Of 1, 2, 3: mean 2, standard error 1/sqrt(3), quantile 4.303 for two degrees of freedom."""
    low, high = interval([1.0, 2.0, 3.0])
    assert low == pytest.approx(2 - 4.302653 / 3**0.5, rel=1e-6)
    assert high == pytest.approx(2 + 4.302653 / 3**0.5, rel=1e-6)
    assert interval([1.0, 2.0]) == (None, None)


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [
        ([], "not tested"),
        ([1.0], "too few seeds: points for"),
        ([-1.0, -2.0], "too few seeds: points against"),
        ([-1.0, 2.0], "too few seeds"),
        ([9.0, 10.0, 11.0], "holds"),
        ([-9.0, -10.0, -11.0], "does not hold"),
        ([1.0, 2.0, 3.0], "undecided"),
    ],
)
def test_verdicts(numbers, verdict):
    assert verdict_of(numbers) == verdict


def test_the_smallest_mean_that_shows_is_found_four_times_in_five():
    """By drawing many studies of five seeds whose true mean it is."""
    random = np.random.default_rng(0)
    draws = random.normal(smallest_shift(5), 1.0, (4_000, 5))
    error = draws.std(axis=1, ddof=1) / 5**0.5
    # 2.776: Student's quantile .975 of four degrees of freedom
    found = np.abs(draws.mean(axis=1)) > 2.776445 * error
    assert found.mean() == pytest.approx(0.8, abs=0.02)


def test_what_an_undecided_number_says_of_itself():
    numbers = [0.0, 1.0, 2.0]  # deviation 1
    assert verdict_of(numbers) == "undecided"
    assert smallest_shown(numbers) == pytest.approx(smallest_shift(3))
    needed = seeds_needed(numbers)
    assert smallest_shift(needed) <= 1 < smallest_shift(needed - 1)
    assert seeds_needed([-1.0, 1e-3, 1.0]) is None  # more than a thousand
    assert seeds_needed([0.0, 0.0, 0.0]) is None  # nothing is there to be shown
    assert smallest_shown([1.0, 2.0]) is None


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


CLAIM = Claim("a", "b", "c", ("d.yaml", "d-small.yaml"), "f")


@pytest.mark.parametrize(
    ("numbers", "hours", "more"),
    [
        ((), None, "d.yaml, d-small.yaml"),
        ((1.0,), 0.5, "3 seeds, 1.5 h; or d.yaml"),
        ((1.0,), None, "3 seeds; or d.yaml"),
        ((0.0, 1.0, 2.0), 0.5, "10 seeds, 5 h; or d.yaml"),  # a mean of one deviation: Cohen's
        ((-1.0, 1e-3, 1.0), 0.5, "over 1,000 seeds; or d.yaml"),
    ],
)
def test_what_would_decide_a_claim(numbers, hours, more):
    assert Verdict(CLAIM, "runs", numbers, hours).more == more


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


def study(folder, sign):
    """Translations in which decoupled decay is better by 2 + a seed's number, and l2 drowns."""
    runs = []
    for seed in range(3):
        inside = {"optim/weight_norm": 30.0}
        l2 = {"optim/drowned_fraction": 0.5 + sign * (0.2 + seed / 100)}
        l2 |= {"optim/log_m_over_w/q50": np.log(1e-3) + (0.1 if sign > 0 else 3) + seed / 100}
        for scheme, bleu, own in (
            ("none", 20.0, {}),
            ("l2", 20.0, l2 | {"optim/weight_norm": 30.0 - sign * (9 + seed)}),
            ("decoupled", 20.0 + sign * (2 + seed), inside),
            ("separated", 20.0 + sign * (3 + seed), inside),
        ):
            decay = 0.0 if scheme == "none" else 1e-3
            rows = [{"epoch": 0, "updates": 5, **own}]
            runs.append(
                translation_run(folder, "own", scheme, decay, seed, (bleu, bleu), rows=rows)
            )
        for schedule, bleu in (("early:100", 20.0 + sign * (5 + seed)), ("late:100", 20.0)):
            own = {"decay_schedule": schedule}
            runs.append(
                translation_run(folder, "own", "decoupled", 1e-3, seed, (bleu, bleu), **own)
            )
    return runs


@pytest.mark.parametrize("sign", [1, -1])
def test_claims_of_schemes_turn_both_ways(tmp_path, sign):
    grid = grid_of(study(tmp_path, sign))
    found = {each.claim.id: each for each in verdicts(load("nlp"), [grid])}
    assert found["decoupled-over-l2"].mean == pytest.approx(3 * sign)
    assert found["separated-over-l2"].mean == pytest.approx(4 * sign)
    assert found["l2-drowns"].mean == pytest.approx(sign * 0.2 + 0.01 * sign)
    assert found["l2-smaller-norm"].mean == pytest.approx(sign * 10 / 30)
    assert found["l2-median-is-lambda"].mean == pytest.approx(0.39 if sign > 0 else -2.51)
    assert found["early-over-late"].mean == pytest.approx(6 * sign)
    word = "holds" if sign > 0 else "does not hold"
    tested = {key for key, each in found.items() if each.word == word}
    assert {each.word for each in found.values()} == {word, "not tested"}
    assert set(found) - tested == {"decoupled-stable-in-lambda", "separated-stable-in-lambda"}


@pytest.mark.slow
def test_the_command_prints_verdicts_and_writes_the_page(tmp_path, capsys):
    study(tmp_path / "runs", 1)
    out = tmp_path / "out"
    assert main(["claims", str(tmp_path / "runs"), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "Translation" in printed
    assert "not tested" in printed
    text = (out / "report.md").read_text()
    assert "decoupled decay translates better than l2" in text
    assert (out / "figures" / "verdicts_nlp.png").exists()
    assert "own: 18 runs of 3 seeds." in text
    assert "figure7.yaml | 30 |" in text
    assert "table1.yaml | 312" not in text  # no agent is judged
    glance = text.partition("## At a glance")[2].partition("## Translation")[0]
    assert "Translation: holds 7, not tested 2." in glance
    assert "(figures/verdicts.png)" in glance
    assert main(["claims", str(tmp_path / "nothing")]) == 2
