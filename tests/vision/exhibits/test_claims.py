"""Claims as numbers by hand."""

import math
import re

import pytest

from tests.suite.results.runs import grid_of, records_of_table
from tests.vision.exhibits.image_runs import MORE, image_run, study
from vision.exhibits.claims import STATISTICS, claim_numbers
from vision.workload import WORKLOAD
from workload.claims import claims_table, read_claims, verdicts

CONTROLS = {claim for claim in STATISTICS if claim.endswith("-one-rate")}
WORTH = {
    *("early-over-late", "early-nearly-always", "late-worth-little", "norms-nearly-always"),
    *("norms-of-early-nearly-early", "norms-of-late-nearly-late"),
    *("stuttered-nearly-always", "skipped-nearly-always"),
}
"""Claims that suppose that decay is worth something."""
CONTRARY = {
    "none": {
        "norm": (5.0, 6.0),
        "square": 8.0,
        "cross": 1.0,
        "cos_pos": -0.1,
        "cos_neg": 0.1,
        "gradient": 30.0,
        "sharpness": (3.0, 1.0, 3.0, 40.0),
    },
    "shuffled": {"square": 5.0, "cross": 10.0, "cos_neg": 0.1},
    "always": {"sharpness": (1.0, 2.0, 1.0, 10.0)},
    "early": {"accuracy": 63, "norm": 9.0, "sharpness": (1.0, 2.0, 1.0, 10.0)},
    "late": {"accuracy": 79, "norm": (2.2, 0.2), "sharpness": (3.0, 1.0, 3.0, 40.0)},
    "matched": 70,
    "stuttered": 70,
    "skipped": 70,
    "norms_of_always": 70,
    "norms_of_early": 50,
    "norms_of_late": 60,
}
"""By which no claim holds."""


def rows_of(grid):
    return records_of_table(claims_table(verdicts(WORKLOAD, [grid]), "claims"))


def table(folder, **changes):
    return {row["id"]: row for row in rows_of(study(folder, **changes))}


def of_paper(grid):
    """Numbers by claim, of the runs with momentum."""
    (numbers,) = (own for runs, own in claim_numbers(grid).items() if "plain" not in runs)
    return numbers


def of_talk(runs):
    return claim_numbers(grid_of(runs))["patterns, plain SGD"]


def test_numbers_by_hand(tmp_path):
    """Seeds differ by the same amount in all runs, so differences are equal in each."""
    found = table(tmp_path, seeds=6, more=MORE)
    by_hand = {
        "early-over-late": 16,
        "early-nearly-always": 20 / 4 - 2,
        "late-worth-little": 20 / 4 - 2,
        "matched-late-over-late": 15,
        "matched-late-under-early": 1,
        "early-smaller-norm": 0.4,
        "early-norm-low-throughout": 1 - 3 / 5,
        "norms-grow-early": 6 / 2 - 5 / 2,
        "late-norm-shrinks-slowly": 3.8 / 2 - 1 - (4 / 2 - 1) / 2,
        "multiplicative-order": 2.0 - 1.5,
        "multiplicative-difference-order": 0.5,
        "additive-order-fails": (1.2 + 4 - 1 - 3) / 2,
        "keskar-order-fails": (1.2 + 4 - 1 - 3) / 2,
        "keskar-flat-without-decay": 4 - 1,
        "eigenvalue-order-fails": math.log(20 * 30 / (10 * 40)) / 2,
        "norms-nearly-always": 20 / 4 - 1,
        "norms-of-early-nearly-early": 20 / 4 - 2,
        "norms-of-late-nearly-late": 20 / 4 - 1,
        "cross-outweighs-square": 2 * 8 - 2 * 1,
        "shuffled-grow-less": 2 * 9 - 2 * 2,
        "shuffled-norm-constant": (5 - math.sqrt(25 - 18)) / 4 - (10 - math.sqrt(100 - 4)),
        "positive-half-grows": 0.1,
        "negative-half-shrinks": 0.1,
        "positive-half-less-shuffled": 0.08,
        "positive-half-barely-radial": 0.1 / 4 - 0.02,
        "negative-half-shuffled": 0.1,
        "shuffled-move-far": 5 / 4 - (10 - math.sqrt(100 - 4)),
        "stuttered-nearly-always": 5 - 1,
        "skipped-nearly-always": 5 - 2,
        "shuffled-larger-gradients": 1.0,
        "shuffled-gradients-same-order": math.log(10 / 2),
    }
    assert set(STATISTICS) - set(by_hand) == CONTROLS
    for claim, number in by_hand.items():
        assert found[claim]["mean"] == pytest.approx(number), claim
        assert found[claim]["seeds"] == 6
        assert found[claim]["verdict"] == "holds", claim
    assert {found[claim]["verdict"] for claim in CONTROLS} == {"not tested"}


def test_claims_that_do_not_hold(tmp_path):
    found = table(tmp_path, seeds=6, more=MORE, **CONTRARY)
    by_hand = {
        "early-over-late": 63 - 79,
        "early-nearly-always": 5 - 17,
        "late-worth-little": 5 - 19,
        "matched-late-over-late": -9,
        "matched-late-under-early": -7,
        "early-smaller-norm": -0.5,
        "early-norm-low-throughout": 1 - 9 / 5,
        "norms-grow-early": 5 / 2 - 6 / 2,
        "late-norm-shrinks-slowly": 1.8 / 2 - 1 - (2.2 / 2 - 1) / 2,
        "multiplicative-order": -1,
        "multiplicative-difference-order": -1,
        "additive-order-fails": -2,
        "keskar-order-fails": -2,
        "keskar-flat-without-decay": 1 - 3,
        "eigenvalue-order-fails": -math.log(4),
        "norms-nearly-always": 5 - 10,
        "norms-of-early-nearly-early": 5 - 13,
        "norms-of-late-nearly-late": 5 - 19,
        "cross-outweighs-square": 2 - 16,
        "shuffled-grow-less": 18 - 30,
        "shuffled-norm-constant": (6 - math.sqrt(36 - 18)) / 4 - (10 - math.sqrt(100 - 30)),
        "positive-half-grows": -0.1,
        "negative-half-shrinks": -0.1,
        "positive-half-less-shuffled": -0.12,
        "positive-half-barely-radial": -0.1 / 4 - 0.02,
        "negative-half-shuffled": -0.1,
        "shuffled-move-far": 5 / 4 - (10 - math.sqrt(100 - 30)),
        "stuttered-nearly-always": 5 - 10,
        "skipped-nearly-always": 5 - 10,
        "shuffled-larger-gradients": 2 - 30,
        "shuffled-gradients-same-order": math.log(10 / 15),
    }
    assert set(STATISTICS) - set(by_hand) == CONTROLS
    for claim, number in by_hand.items():
        assert found[claim]["mean"] == pytest.approx(number), claim
        assert found[claim]["verdict"] == "does not hold", claim


@pytest.mark.parametrize("none", [80, 90])
def test_without_worth_no_part_of_it_is_judged(tmp_path, none):
    numbers = of_paper(study(tmp_path, more=MORE, none=none))
    assert {claim for claim, own in numbers.items() if not own} == WORTH | CONTROLS


@pytest.mark.parametrize(("accuracies", "seeds"), [((85, 50, 50), 3), ((85, 85, 79), 0)])
def test_worth_is_supposed_of_the_mean_over_seeds(tmp_path, accuracies, seeds):
    """Decay always has 80, 81 and 82."""
    none = [
        image_run(tmp_path, accuracy, scheme="none", seed=seed)
        for seed, accuracy in enumerate(accuracies)
    ]
    numbers = of_paper(study(tmp_path, none=None, others=none))
    assert len(numbers["early-nearly-always"]) == seeds
    assert len(numbers["early-over-late"]) == seeds
    assert len(numbers["early-smaller-norm"]) == 3


def test_early_against_late_where_nobody_knows_what_decay_is_worth(tmp_path):
    numbers = of_paper(study(tmp_path, none=None, always=None))
    assert numbers["early-over-late"] == [16, 16, 16]


def test_norms_that_neither_grow_nor_are_above_those_of_always(tmp_path):
    none = {"norm": 5.0, "square": 0.0, "cross": 0.0}
    numbers = of_paper(study(tmp_path, none=none, late={"norm": 2.0}))
    assert numbers["norms-grow-early"] == numbers["shuffled-norm-constant"] == []
    assert numbers["late-norm-shrinks-slowly"] == []
    assert len(numbers["shuffled-move-far"]) == 3


def test_a_move_along_the_sphere_is_far(tmp_path):
    numbers = of_paper(study(tmp_path, shuffled={"square": 2.0, "cross": -2.0}))
    assert numbers["shuffled-move-far"] == [1.25] * 3


def test_late_decay_may_begin_after_updates(tmp_path):
    """An epoch has ten."""
    numbers = of_paper(study(tmp_path, late={"decay_schedule": "late:10"}, matched=None))
    assert numbers["late-norm-shrinks-slowly"] == pytest.approx([0.4] * 3)


def test_what_was_not_measured_has_no_number(tmp_path):
    """A ratio of gradients without gradients, ln of an eigenvalue below 0, growth without terms."""
    none = {"gradient": 0.0, "sharpness": (1.0, 2.0, 1.0, -10.0), "square": None, "cross": None}
    numbers = of_paper(study(tmp_path, none=none))
    unknown = {"shuffled-gradients-same-order", "eigenvalue-order-fails", "norms-grow-early"}
    unknown |= {"shuffled-norm-constant", "cross-outweighs-square", "shuffled-grow-less"}
    assert {claim for claim in unknown if numbers[claim]} == set()
    assert len(numbers["keskar-order-fails"]) == 3


def test_runs_of_one_kind_alone(tmp_path):
    assert list(claim_numbers(study(tmp_path))) == ["patterns", "patterns, plain SGD"]


def test_runs_on_the_sphere_are_the_talks(tmp_path):
    runs = [
        image_run(tmp_path, 50, scheme="none", seed=seed, sphere=True, momentum=momentum)
        for seed in range(3)
        for momentum in (0.0, 0.9)
    ]
    assert list(claim_numbers(grid_of(runs))) == ["patterns, plain SGD"]


def plain_sgd(folder, rates):
    """Four seeds of none and of decay without momentum at each rate."""
    return [
        image_run(folder, 50, seed=seed, momentum=0.0, scheme=scheme, learning_rate=rate)
        for seed in range(4)
        for scheme in ("none", "l2")
        for rate in rates
    ]


def test_plain_sgd_with_decay_at_several_rates_is_the_talks(tmp_path):
    one, two = (plain_sgd(tmp_path / str(len(rates)), rates) for rates in ((0.1,), (0.1, 0.01)))
    assert list(claim_numbers(grid_of(one))) == ["patterns", "patterns, plain SGD"]
    assert list(claim_numbers(grid_of(two))) == ["patterns, plain SGD"]
    alone = of_paper(study(tmp_path / "study"))
    assert of_paper(study(tmp_path, others=plain_sgd(tmp_path, (0.1, 0.01)))) == alone


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


@pytest.mark.parametrize(
    ("terms", "cosine", "gradient"), [((0.25, 1.0), 0.05, 1.5), ((2.0, 3.0), 0.01, 2.5)]
)
def test_controls_have_the_learning_rate_of_the_shuffled_labels(tmp_path, terms, cosine, gradient):
    square, cross = terms
    own = {"square": square, "cross": cross, "cos_pos": cosine, "gradient": gradient}
    slow = [
        image_run(tmp_path, 50 + seed, scheme="none", seed=seed, learning_rate=0.01, **own)
        for seed in range(3)
    ]
    found = table(tmp_path, others=slow)
    assert found["shuffled-grow-less"]["mean"] == pytest.approx(2 * 9 - 2 * 2)
    by_hand = {
        "shuffled-grow-less-one-rate": 2 * (square + cross) - 2 * 2,
        "positive-half-less-shuffled-one-rate": cosine - 0.02,
        "shuffled-larger-gradients-one-rate": 2.0 - gradient,
    }
    assert set(by_hand) == CONTROLS
    assert {claim: found[claim]["mean"] for claim in by_hand} == pytest.approx(by_hand)


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
    """In plain SGD, whose rate falls after the first half."""
    epochs = values.get("epochs", 2)
    plain = {"momentum": 0.0, "learning_rate_schedule": f"steps:0.1@{epochs // 2}epochs"}
    return image_run(folder, accuracy, **(plain | values))


def judged(runs):
    """Mean and verdict by claim, of those in plain SGD."""
    rows = [row for row in rows_of(grid_of(runs)) if row["runs"].endswith("SGD")]
    return {row["id"]: (pytest.approx(row["mean"]), row["verdict"]) for row in rows}


@pytest.mark.parametrize("sign", [1, -1])
def test_large_steps_turn_both_ways(tmp_path, sign):
    """Decay is worth 4 + a seed's number at the large rate, and costs 2 + a quarter of that at the
    small one."""
    runs = []
    for seed in range(3):
        for rate, gain in ((0.1, 4 + seed), (0.01, -2 - seed / 4)):
            own = {"layers": "none", "seed": seed, "learning_rate": rate}
            runs.append(talk_run(tmp_path, 50, scheme="none", **own))
            runs.append(talk_run(tmp_path, 50 + sign * gain, **own))
    word = "holds" if sign > 0 else "does not hold"
    assert judged(runs) == {
        "decay-helps-large-steps": (5 * sign, word),
        "decay-needs-large-steps": (7.25 * sign, word),
        "decay-not-alone": (2.25 * sign, word),
    }


def test_one_learning_rate_is_no_small_one(tmp_path):
    runs = [
        talk_run(tmp_path, accuracy, scheme=scheme, layers="none")
        for scheme, accuracy in (("none", 50), ("l2", 54))
    ]
    found = of_talk(runs)
    assert found["decay-helps-large-steps"] == [4]
    assert found["decay-needs-large-steps"] == found["decay-not-alone"] == []


def sphere_runs(folder, *by_seed, fit=99.5, **own):
    """Test accuracies at the rates .001, .002, ... for each seed."""
    return [
        talk_run(
            *(folder, accuracy),
            sphere=True,
            scheme="none",
            seed=seed,
            learning_rate=place / 1000,
            **({"fit": fit} | own),
        )
        for seed, accuracies in enumerate(by_seed)
        for place, accuracy in enumerate(accuracies, 1)
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_u_in_the_rate_on_the_sphere(tmp_path, sign):
    runs = sphere_runs(tmp_path, *((60, 60 + sign * (3 + seed), 50, 59) for seed in range(3)))
    word = "holds" if sign > 0 else "does not hold"
    assert judged(runs)["sphere-rate-is-a-u"] == (4 * sign, word)


def test_the_rate_in_between_is_the_best_of_the_other_seeds(tmp_path):
    """A seed's own 70, and an end's own 65, are no reason to take them."""
    runs = sphere_runs(tmp_path, (60, 61, 70, 50), (60, 61, 50, 50), (60, 61, 50, 65))
    assert of_talk(runs)["sphere-rate-is-a-u"] == [1, 1, 1]


@pytest.mark.parametrize(
    ("by_seed", "own"),
    [
        (((60, 65, 60),), {}),
        (((60, 65), (60, 65)), {}),
        (((60, 65, 60), (60, 65)), {}),
        (((60, 65, 60), (60, 65, 60)), {"fit": 98.9}),
        (((60, 65, 60), (60, 65, 60)), {"fit": None, "train": 98.9}),
        (((60, 65, 60), (60, 65, 60)), {"fit": None}),
    ],
)
def test_no_u_of_one_seed_of_two_rates_or_of_rates_that_do_not_fit(tmp_path, by_seed, own):
    assert of_talk(sphere_runs(tmp_path, *by_seed, **own))["sphere-rate-is-a-u"] == []


def test_a_seed_that_does_not_fit_takes_no_part(tmp_path):
    """Training accuracy stands in where that of the images as they are was not taken."""
    runs = sphere_runs(tmp_path, (60, 64, 60), (60, 65, 60), fit=None, train=99.0)
    poor = {"sphere": True, "scheme": "none", "seed": 2}
    for rate, accuracy, fit in ((0.001, 60, 99.5), (0.002, 80, 99.5), (0.003, 60, 90.0)):
        runs.append(talk_run(tmp_path, accuracy, learning_rate=rate, fit=fit, **poor))
    found = of_talk(runs)
    assert found["sphere-rate-is-a-u"] == [4, 5]
    assert found["sphere-fits"] == [0, 0, -9]


@pytest.mark.parametrize("sign", [1, -1])
def test_every_rate_on_the_sphere_fits_or_one_does_not(tmp_path, sign):
    runs = []
    for seed in range(3):
        own = {"sphere": True, "scheme": "none", "seed": seed}
        lowest = 99 + sign * (0.2 + seed / 10)
        runs.append(talk_run(tmp_path, 60, learning_rate=0.001, fit=99.9, **own))
        runs.append(talk_run(tmp_path, 60, learning_rate=0.002, fit=lowest, **own))
    word = "holds" if sign > 0 else "does not hold"
    assert judged(runs) == {"sphere-fits": (0.3 * sign, word)}


@pytest.mark.parametrize(("mean", "number"), [(38.0, 8.0), (20.0, -10.0)])
def test_the_mean_of_the_weights_before_the_rate_falls(tmp_path, mean, number):
    """20 % then, 40 % in the end: halfway is 30. Runs of the other studies take no part."""
    runs = [talk_run(tmp_path, 40, seed=seed, averaged=mean) for seed in range(3)]
    for other in ({"layers": "none"}, {"scheme": "none"}, {"scheme": "none", "sphere": True}):
        runs.append(talk_run(tmp_path, 40, averaged=1.0, **other))
    assert of_talk(runs)["averaged-nearly-dropped"] == [number] * 3


def falling(folder, seed, rate, *, half, end, accuracy=60, norm=10.0):
    """Decay for eight epochs; the loss is 2 after the first, and after half of the epochs at the
    large rate and at the end of these as told."""
    loss = (2.0, half, (half + end) / 2, end, 0.1, 0.1, 0.1, 0.1)
    own = {"seed": seed, "learning_rate": rate, "norm": norm, "loss": loss}
    return talk_run(folder, accuracy, epochs=8, **own)


@pytest.mark.parametrize(
    ("end", "number", "word"),
    [(0.9, 0.15, "holds"), (0.5, -0.25, "does not hold"), (1.6, -0.35, "does not hold")],
)
def test_a_loss_that_settles_that_goes_on_falling_and_that_rises(tmp_path, end, number, word):
    """By 1 in the first half."""
    runs = [
        falling(tmp_path, seed, rate, half=1.0, end=end + shift / 100)
        for seed, shift in enumerate((-1, 0, 1))
        for rate in (0.1, 0.2)
    ]
    assert judged(runs)["loss-stabilises"] == (number, word)


@pytest.mark.parametrize("sign", [1, -1])
def test_levels_of_the_loss_and_what_differs_between_rates(tmp_path, sign):
    """Errors of 20, 25 and 30 % are spread by .4 of their mean, norms by .1 or by .8."""
    runs = []
    for seed in range(3):
        for place, rate in enumerate((0.1, 0.15, 0.2)):
            own = {"half": 1.0, "end": 0.5 + sign * place * (0.1 + seed / 100)}
            own |= {"norm": 10 + (place - 1) * (0.5 if sign > 0 else 4 + seed)}
            own |= {"accuracy": 80 - 5 * place + seed * place / 100}
            runs.append(falling(tmp_path, seed, rate, **own))
    found, word = judged(runs), "holds" if sign > 0 else "does not hold"
    assert found["loss-level-rises-with-rate"] == (0.22 * sign, word)
    assert found["norm-not-predictive"][1] == word
    number = of_talk(runs)["norm-not-predictive"][0]
    assert number == pytest.approx(0.4 - (0.1 if sign > 0 else 0.8))


def test_losses_that_were_not_logged_or_of_one_rate_or_no_two_halves(tmp_path):
    """Rows without a loss are left out; runs without decay take no part."""
    names = ("loss-stabilises", "loss-level-rises-with-rate", "norm-not-predictive")
    one_rate = [falling(tmp_path / "one", seed, 0.1, half=1.0, end=0.9) for seed in range(2)]
    found = of_talk(one_rate)
    assert [len(found[name]) for name in names] == [2, 0, 0]
    file = one_rate[0].path / "eval.jsonl"
    file.write_text(file.read_text().replace('"train/loss"', '"train/other"'))
    assert len(of_talk(one_rate)["loss-stabilises"]) == 1
    short = [talk_run(tmp_path / "short", 60, loss=(2.0, 1.0), learning_rate=r) for r in (0.1, 0.2)]
    found = of_talk(short)
    assert [len(found[name]) for name in names] == [0, 1, 0]
    none = [talk_run(tmp_path / "none", 60, loss=(2.0, 1.0), scheme="none")]
    assert [of_talk(none)[name] for name in names] == [[], [], []]


def branch(folder, accuracy, seed, trunk, trace, *, epoch=1):
    return talk_run(
        *(folder, accuracy),
        seed=seed,
        scheme="none",
        learning_rate=1e-4,
        learning_rate_schedule="constant",
        epochs=4,
        branch=f"l2-1e-2,learning_rate={trunk:g}@{epoch}",
        sharpness=(1.0, 1.0, 2.0, 30.0, trace),
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_traces_that_mirror_the_test_error_and_that_do_not(tmp_path, sign):
    """Three branches a seed, whose traces rise with the error, or fall."""
    runs = [
        branch(tmp_path, 60 - sign * place, seed, 0.1 * (place + 1), trace)
        for seed in range(6)
        for place, trace in enumerate((100.0, 200.0, 300.0))
    ]
    word = "holds" if sign > 0 else "does not hold"
    assert judged(runs) == {"trace-mirrors-test-error": (sign, word)}


def test_errors_that_are_all_the_same_are_mirrored_by_nothing(tmp_path):
    runs = [branch(tmp_path, 60, 0, trunk, 100 * trunk) for trunk in (0.1, 0.2, 0.3)]
    assert of_talk(runs)["trace-mirrors-test-error"] == []


@pytest.mark.parametrize("sign", [1, -1])
def test_traces_along_a_trajectory(tmp_path, sign):
    """Of two trunks: ln of the trace falls by 1 + a seed's number and by 2, or rises; what it is
    in between is no matter, nor is a trace that is not above 0."""
    runs = []
    for seed in range(3):
        for trunk, fall in ((0.1, 1 + seed), (0.2, 2)):
            for epoch, log in ((1, 5.0), (2, 9.0), (3, 5.0 - sign * fall)):
                runs.append(branch(tmp_path, 60, seed, trunk, math.exp(log), epoch=epoch))
        for epoch, trace in ((1, 100.0), (2, -1.0)):
            runs.append(branch(tmp_path, 60, seed, 0.3, trace, epoch=epoch))
    word = "holds" if sign > 0 else "does not hold"
    assert judged(runs)["trace-falls-along-trajectory"] == (2 * sign, word)


@pytest.mark.parametrize("sign", [1, -1])
def test_errors_along_a_trajectory(tmp_path, sign):
    """Of two trunks: the test error falls by 1 + a seed's number and by 3, or rises."""
    runs = []
    for seed in range(3):
        for trunk, fall in ((0.1, 1 + seed), (0.2, 3)):
            for epoch, accuracy in ((1, 60), (2, 10), (3, 60 + sign * fall)):
                runs.append(branch(tmp_path, accuracy, seed, trunk, 1.0, epoch=epoch))
    word = "holds" if sign > 0 else "does not hold"
    assert judged(runs)["error-falls-along-trajectory"] == (2.5 * sign, word)
