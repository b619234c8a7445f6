"""Claims as numbers by hand, verdicts from intervals of known width."""

import pytest

from tests.suite.results.runs import records_of_table
from tests.vision.exhibits.image_runs import image_run, study
from vision.exhibits.claims import CLAIMS, claims_table, interval, verdict_of


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


def table(folder, **changes):
    rows = records_of_table(claims_table(study(folder, **changes), "patterns", "batch", "claims"))
    return {row["claim"]: row for row in rows}


def test_numbers_by_hand(tmp_path):
    """Seeds differ by the same amount in all runs, so differences are equal in each."""
    found = table(tmp_path)
    by_hand = {
        "decay early is worth more than decay late": 16,
        "stopping decay early costs less than a quarter of its worth": 20 / 4 - 2,
        "decay late is worth less than a quarter of decay always": 20 / 4 - 2,
        "late decay with the budget of always is worth more than late decay": 15,
        "late decay with the budget of always falls short of early decay": 1,
        "decay early keeps the norm below that without decay": 0.4,
        "S(.1) puts none and late above early and always": 2.0 - 1.5,
        "so does S(.1) - L, without the loss itself": 0.5,
        "additive noise does not": 4.0 - 1.0,
        "the steps' cross terms outweigh their square terms": 2 * 8 - 2 * 1,
        "norms grow less with shuffled labels": 2 * 9 - 2 * 2,
        "cos(w, -grad l_pos) is positive": 0.1,
        "cos(w, -grad l_neg) is negative": 0.1,
        "cos(w, -grad l_pos) is smaller with shuffled labels": 0.08,
        "cos(w, -grad l_neg) is negative with shuffled labels": 0.1,
        "with shuffled labels weights move further than their norm grows": 5 - 2,
        "decay in bursts of the same average costs less than a quarter of its worth": 5 - 1,
        "late in training gradients are larger with shuffled labels": 1.0,
    }
    for claim, number in by_hand.items():
        assert found[claim]["mean"] == pytest.approx(number), claim
        assert found[claim]["seeds"] == 3
        assert found[claim]["verdict"] == "holds", claim
    untested = {claim.text for claim in CLAIMS} - set(by_hand)
    assert {found[claim]["verdict"] for claim in untested} == {"not tested"}


def test_a_claim_that_does_not_hold(tmp_path):
    found = table(tmp_path, early=60, late=79)
    verdicts = [row["verdict"] for row in found.values()]
    assert found["decay early is worth more than decay late"]["mean"] == pytest.approx(-19)
    assert verdicts[:3] == ["does not hold"] * 3


def test_runs_of_one_kind_alone(tmp_path):
    assert claims_table(study(tmp_path), "patterns", "none", "claims") is None


def test_runs_of_other_settings_take_no_part(tmp_path):
    """Another learning rate, another lambda's worth of runs: the study's own numbers stay."""
    grid = study(tmp_path / "alone")
    alone = records_of_table(claims_table(grid, "patterns", "batch", "claims"))
    more = [
        image_run(tmp_path / "more", 5 + seed, scheme="none", seed=seed, learning_rate=0.3)
        for seed in range(3)
    ]
    found = claims_table(study(tmp_path / "more", others=more), "patterns", "batch", "claims")
    assert records_of_table(found) == alone
    assert "Of several settings, l2" in found.caption


def test_controls_have_the_learning_rate_of_the_shuffled_labels(tmp_path):
    slow = [
        image_run(
            *(tmp_path, 50 + seed),
            scheme="none",
            seed=seed,
            learning_rate=0.01,
            square=0.25,
            cross=1.0,
            cos_pos=0.05,
            gradient=1.5,
        )
        for seed in range(3)
    ]
    found = table(tmp_path, others=slow)
    assert found["norms grow less with shuffled labels"]["mean"] == pytest.approx(2 * 9 - 2 * 2)
    assert found["so they do at one learning rate"]["mean"] == pytest.approx(2 * 1.25 - 2 * 2)
    assert found["so it is at one learning rate"]["mean"] == pytest.approx(0.05 - 0.02)
    assert found["so they are at one learning rate"]["mean"] == pytest.approx(2.0 - 1.5)


def test_sharpness_of_weights_that_were_trained_on_is_no_final_sharpness(tmp_path):
    grid = study(tmp_path)
    for path in tmp_path.rglob("sharpness.json"):
        path.write_text(path.read_text().replace('"epoch": 2', '"epoch": 1'))
    rows = records_of_table(claims_table(grid, "patterns", "batch", "claims"))
    verdicts = {row["claim"]: row["verdict"] for row in rows}
    assert verdicts["S(.1) puts none and late above early and always"] == "not tested"
