"""Claims as numbers by hand."""

import re

import pytest

from tests.suite.results.runs import grid_of, records_of_table
from tests.vision.exhibits.image_runs import image_run, study
from vision.exhibits.claims import STATISTICS, claim_numbers
from vision.workload import WORKLOAD
from workload.claims import claims_table, read_claims, verdicts


def rows_of(grid):
    return records_of_table(claims_table(verdicts(WORKLOAD, [grid]), "claims"))


def table(folder, **changes):
    return {row["id"]: row for row in rows_of(study(folder, **changes))}


def test_numbers_by_hand(tmp_path):
    """Seeds differ by the same amount in all runs, so differences are equal in each."""
    found = table(tmp_path)
    by_hand = {
        "early-over-late": 16,
        "early-nearly-always": 20 / 4 - 2,
        "late-worth-little": 20 / 4 - 2,
        "matched-late-over-late": 15,
        "matched-late-under-early": 1,
        "early-smaller-norm": 0.4,
        "multiplicative-order": 2.0 - 1.5,
        "multiplicative-difference-order": 0.5,
        "additive-order-fails": 4.0 - 1.0,
        "cross-outweighs-square": 2 * 8 - 2 * 1,
        "shuffled-grow-less": 2 * 9 - 2 * 2,
        "positive-half-grows": 0.1,
        "negative-half-shrinks": 0.1,
        "positive-half-less-shuffled": 0.08,
        "negative-half-shuffled": 0.1,
        "shuffled-move-far": 5 - 2,
        "stuttered-nearly-always": 5 - 1,
        "shuffled-larger-gradients": 1.0,
    }
    for claim, number in by_hand.items():
        assert found[claim]["mean"] == pytest.approx(number), claim
        assert found[claim]["seeds"] == 3
        assert found[claim]["verdict"] == "holds", claim
    untested = set(STATISTICS) - set(by_hand)
    assert {found[claim]["verdict"] for claim in untested} == {"not tested"}


def test_a_claim_that_does_not_hold(tmp_path):
    found = table(tmp_path, early=60, late=79)
    words = [row["verdict"] for row in found.values()]
    assert found["early-over-late"]["mean"] == pytest.approx(-19)
    assert words[:3] == ["does not hold"] * 3


def test_runs_of_one_kind_alone(tmp_path):
    assert list(claim_numbers(study(tmp_path))) == ["patterns", "patterns, plain SGD"]


def test_runs_of_other_settings_take_no_part(tmp_path):
    """Another learning rate, another lambda's worth of runs: the study's own numbers stay."""
    alone = rows_of(study(tmp_path / "alone"))
    more = [
        image_run(tmp_path / "more", 5 + seed, scheme="none", seed=seed, learning_rate=0.3)
        for seed in range(3)
    ]
    found = rows_of(study(tmp_path / "more", others=more))
    assert {row["runs"] for row in found if row["runs"]} == {"patterns (l2 1e-2 learning_rate=0.1)"}
    assert [row | {"runs": row["runs"] and "patterns"} for row in found] == alone


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
    assert found["shuffled-grow-less"]["mean"] == pytest.approx(2 * 9 - 2 * 2)
    assert found["shuffled-grow-less-one-rate"]["mean"] == pytest.approx(2 * 1.25 - 2 * 2)
    assert found["positive-half-less-shuffled-one-rate"]["mean"] == pytest.approx(0.05 - 0.02)
    assert found["shuffled-larger-gradients-one-rate"]["mean"] == pytest.approx(2.0 - 1.5)


def test_sharpness_of_weights_that_were_trained_on_is_no_final_sharpness(tmp_path):
    grid = study(tmp_path)
    for path in tmp_path.rglob("sharpness.json"):
        path.write_text(path.read_text().replace('"epoch": 2', '"epoch": 1'))
    words = {row["id"]: row["verdict"] for row in rows_of(grid)}
    assert words["multiplicative-order"] == "not tested"


@pytest.mark.parametrize("key", ["loss", "keskar", "top", "trace", "multiplicative", "gamma"])
def test_damaged_sharpness_is_left_out_and_named(tmp_path, key, capsys):
    """A bit of the name of what is read is enough."""
    grid = study(tmp_path)
    for path in tmp_path.rglob("sharpness.json"):
        path.write_text(path.read_text().replace(f'"{key}"', '"other"'))
    words = {row["id"]: row["verdict"] for row in rows_of(grid)}
    assert words["multiplicative-order"] == "not tested"
    assert re.search(r"left out: .*sharpness\.json", capsys.readouterr().err)


def test_every_statistic_has_its_entry_and_every_entry_its_statistic(tmp_path):
    entries = {claim.id for claim in read_claims(WORKLOAD.claims_file())}
    numbers = claim_numbers(study(tmp_path)).values()
    assert entries == {each for own in numbers for each in own}


def talk_run(folder, accuracy, **values):
    """In plain SGD without normalisation, one of the talk's first study."""
    plain = {"momentum": 0.0, "layers": "none", "learning_rate_schedule": "steps:0.1@1epochs"}
    return image_run(folder, accuracy, **(plain | values))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_talks_claims_turn_both_ways(tmp_path, sign):
    """Decay is worth 4 + a seed's number at the large rate, 1 at the small one."""
    runs = []
    for seed in range(3):
        for rate, gain in ((0.1, 4 + seed), (0.01, 1)):
            runs += [
                talk_run(tmp_path, 50, scheme="none", seed=seed, learning_rate=rate),
                talk_run(tmp_path, 50 + sign * gain, seed=seed, learning_rate=rate),
            ]
        for rate, accuracy in ((0.001, 60), (0.003, 60 + sign * (3 + seed)), (0.01, 59)):
            sphere = {"sphere": True, "layers": "batch", "scheme": "none", "seed": seed}
            runs.append(talk_run(tmp_path, accuracy, learning_rate=rate, **sphere))
    found = {row["id"]: row for row in rows_of(grid_of(runs)) if row["runs"].endswith("SGD")}
    expected = {
        "decay-helps-large-steps": 5 * sign,
        "decay-needs-large-steps": 4 * sign,
        "sphere-rate-is-a-u": 4 * sign,
    }
    assert {key: row["mean"] for key, row in found.items()} == expected
    word = "holds" if sign > 0 else "does not hold"
    assert {row["verdict"] for row in found.values()} == {word}


@pytest.mark.parametrize("sign", [1, -1])
def test_traces_that_mirror_the_test_error_and_that_do_not(tmp_path, sign):
    """Three branches a seed, whose traces rise with the error, or fall."""
    runs = []
    for seed in range(3):
        for place, trace in enumerate((100, 200, 300)):
            run = talk_run(
                *(tmp_path, 60 - sign * place),
                seed=seed,
                learning_rate=1e-4,
                learning_rate_schedule="constant",
                branch=f"l2-1e-2,learning_rate={0.1 * (place + 1):g}@1",
                sharpness=(1.0, 1.0),
            )
            file = run.path / "sharpness.json"
            file.write_text(file.read_text().replace("100.0", f"{trace}.0"))
            runs.append(run)
    (row,) = (r for r in rows_of(grid_of(runs)) if r["id"].startswith("trace-mirrors"))
    assert row["mean"] == pytest.approx(sign)
    assert row["verdict"] == ("holds" if sign > 0 else "does not hold")


@pytest.mark.parametrize(("mean", "number"), [(38.0, 8.0), (20.0, -10.0)])
def test_the_mean_of_the_weights_before_the_rate_falls(tmp_path, mean, number):
    """20 % then, 40 % in the end: halfway is 30."""
    runs = [talk_run(tmp_path, 40, seed=seed, averaged=mean) for seed in range(3)]
    (row,) = (r for r in rows_of(grid_of(runs)) if r["id"] == "averaged-nearly-dropped")
    assert row["mean"] == number
