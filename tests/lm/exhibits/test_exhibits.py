"""Tables and claims of language models, against numbers by hand."""

import json

import numpy as np
import pytest

from lm.exhibits.claims import claim_numbers
from lm.exhibits.drop_table import drop_table
from lm.exhibits.loss_figures import fit_figure, loss_figure
from lm.exhibits.precision_table import precision_table
from lm.workload import WORKLOAD
from suite.__main__ import main
from tests.lm.exhibits.language_runs import language_run, study
from tests.suite.results.runs import grid_of, records_of_table
from workload.claims import read_claims, verdicts
from workload.exhibits.drawing import typography


def test_losses_before_and_after_the_drop(tmp_path):
    """Means over seeds 0, 1, 2, and differences from none seed by seed."""
    table = drop_table(grid_of(study(tmp_path)), "words", "drops")
    none, decay = records_of_table(table)
    assert none["decay"] == "none"
    assert none["constant_rate"] == pytest.approx(3.0)
    assert decay["constant_rate"] == pytest.approx(3.11)
    assert decay["constant_rate_above_none"] == pytest.approx(0.11)
    assert decay["after_the_drop_above_none"] == pytest.approx(-0.04)
    assert decay["cosine_above_none"] == pytest.approx(-0.04)
    assert decay["mean_of_the_weights"] == pytest.approx(2.21)
    assert (decay["after_the_drop_seeds"], "wsd" in table.head) == (3, False)
    talk = {row[0].lines[0]: [cell.lines[0] for cell in row[1:]] for row in table.rows[2:]}
    assert talk["the talk, lambda 0.1"] == ["-", "-", "-", "3.24", "3.28"]


def test_arithmetics_are_told_apart(tmp_path):
    """Three experiments: float32, autocast, weights of bf16."""
    runs = []
    for seed in range(2):
        runs += [
            language_run(tmp_path, 3.0, seed=seed),
            language_run(tmp_path, 3.5, seed=seed, precision="bf16", diverged_at=250 + seed),
            language_run(tmp_path, 3.2 + seed, seed=seed, precision="bf16", weights="bf16"),
        ]
    found = {
        row["arithmetic"]: row
        for row in records_of_table(precision_table(grid_of(runs), "words", "precision"))
    }
    assert list(found) == ["bf16 autocast", "bf16 weights", "float32"]
    assert found["float32"]["mean"] == 3.0
    assert found["bf16 weights"]["mean"] == pytest.approx(3.7)
    assert found["bf16 autocast"]["mean"] is None
    assert [found[name]["seeds_diverged"] for name in found] == [2, 0, 0]
    assert precision_table(grid_of(study(tmp_path / "one")), "words", "precision") is None


@pytest.mark.slow
def test_figures_are_drawn_and_not_without_runs(tmp_path):
    grid = grid_of([*study(tmp_path), language_run(tmp_path, 3.0, seed=9, diverged_at=150)])
    empty = grid_of([language_run(tmp_path / "none", 3.0, diverged_at=50)])
    with typography():
        for figure in (loss_figure, fit_figure):
            assert figure(grid, "words", "figure").png.startswith(b"\x89PNG")
            assert figure(empty, "words", "figure") is None


@pytest.mark.parametrize("sign", [1, -1])
def test_the_talks_claims_turn_both_ways(tmp_path, sign):
    found = {
        each.claim.id: each
        for each in verdicts(WORKLOAD, [grid_of(study(tmp_path, sign))])
        if each.runs in ("", "words, decoupled-3e-1")
    }
    word = "holds" if sign > 0 else "does not hold"
    by_hand = {
        "constant-rate-higher-loss": 0.11 * sign,
        "after-drop-lower-loss": 0.04 * sign,
        "cosine-lower-loss": 0.04 * sign,
        "drop-worth-more": 0.15 * sign,
        "decay-larger-effective-rate": 0.051 * sign,
        "not-regularisation": 0.11 / 4 if sign > 0 else 0.4 / 4 - 0.51,
    }
    for claim, mean in by_hand.items():
        assert found[claim].mean == pytest.approx(mean), claim
        assert found[claim].word == word, claim
    averaged = found["mean-of-weights-nearly-dropped"]
    assert averaged.word == word
    others = set(found) - set(by_hand) - {"mean-of-weights-nearly-dropped"}
    assert {found[claim].word for claim in others} == {"not tested"}


@pytest.mark.parametrize(
    "other",
    [
        {"learning_rate": 1e-2},
        {"warm_up": 20},
        {"rounds": 5, "learning_rate_schedule": "cosine:0.1"},
        {"learning_rate_schedule": "cosine:0.5"},
        {"rounds": 7, "learning_rate": 1e-5, "branch": "{name},learning_rate=6e-4,rounds=4@400"},
        {"rounds": 5, "learning_rate": 1e-4, "branch": "{name},learning_rate=6e-4,rounds=4@400"},
    ],
)
def test_no_run_is_compared_with_one_of_another_learning_rate(tmp_path, other):
    """Beside the study there are runs at another rate, with the opposite effect of decay: what is
    said of the study's own is as without them."""
    claims = "constant-rate-higher-loss", "cosine-lower-loss", "after-drop-lower-loss"
    alone, more = study(tmp_path, seeds=2), []
    for seed in range(2):
        for name, decay in (("none", 0.0), ("decoupled-3e-1", 0.3)):
            values = {k: v.format(name=name) if k == "branch" else v for k, v in other.items()}
            more.append(language_run(tmp_path, 5 - 3 * decay, decay=decay, seed=seed, **values))
    one, two, both = (
        {
            (claim, *map("{:.6f}".format, numbers))
            for own in claim_numbers(grid_of(runs)).values()
            for claim, numbers in own.items()
            if claim in claims
        }
        for runs in (alone, more, alone + more)
    )
    assert len(two) == 1
    assert both == one | two


def judged(runs, claim):
    """The verdicts on a claim that runs have tested."""
    found = (v for v in verdicts(WORKLOAD, [grid_of(runs)]) if v.claim.id == claim)
    return [v for v in found if v.seeds]


def in_bf16(folder, seeds, plain=None, full=None, rate=1e-3):
    """Runs without decay in bf16 autocast and in float32 that diverge at an update, and one with
    decay, beside them one in bf16 weights."""
    runs = []
    for seed in range(seeds):
        own = {"seed": seed, "learning_rate": rate}
        lower = own | {"precision": "bf16"}
        runs += [
            language_run(folder, 3.0, **own, diverged_at=full),
            language_run(folder, 3.0, **lower, diverged_at=plain),
            language_run(folder, 3.0, **lower, decay=0.3),
            language_run(folder, 3.0, **lower, weights="bf16"),
        ]
    return runs


@pytest.mark.parametrize(("plain", "mean"), [(250, 0.5), (None, -0.5)])
def test_divergence_in_bf16_turns_both_ways(tmp_path, plain, mean):
    runs = in_bf16(tmp_path, 6, plain)
    for claim in ("bf16-diverges-without-decay", "bf16-diverges-float32-does-not"):
        (found,) = judged(runs, claim)
        assert (found.seeds, found.mean, found.low) == (6, mean, None), claim
        assert found.word == ("holds" if mean > 0 else "does not hold")


def test_what_diverges_in_float32_too_is_not_for_want_of_digits(tmp_path):
    (found,) = judged(in_bf16(tmp_path, 6, 250, 250), "bf16-diverges-float32-does-not")
    assert found.word == "does not hold"


def test_a_seed_that_diverges_in_float32_says_nothing_of_bf16(tmp_path):
    runs = in_bf16(tmp_path, 6, 250)
    runs.append(language_run(tmp_path, 3.0, seed=6, learning_rate=1e-3, diverged_at=250))
    for decay, at in ((0.0, None), (0.3, None)):
        own = {"decay": decay, "seed": 6, "learning_rate": 1e-3, "precision": "bf16"}
        runs.append(language_run(tmp_path, 3.0, **own, diverged_at=at))
    (found,) = judged(runs, "bf16-diverges-without-decay")
    assert (found.seeds, found.word) == (6, "holds")


@pytest.mark.parametrize("sign", [1, -1])
def test_a_lower_rate_costs_loss_or_does_not(tmp_path, sign):
    """And takes no part in what is said of the moderate one."""
    runs = in_bf16(tmp_path, 6, 250)
    for seed in range(4):
        own = {"seed": seed, "precision": "bf16", "learning_rate": 3e-4}
        at = 150 if seed == 3 else None
        more = sign * (0.1 + seed / 100)
        runs.append(language_run(tmp_path, 3.0 + more, **own, diverged_at=at))
    (prevented,) = judged(runs, "lower-rate-does-not-diverge")
    assert prevented.mean == pytest.approx(1 / 4)  # of four seeds one diverges there too
    (found,) = judged(runs, "lower-rate-costs-loss")
    assert (found.seeds, found.mean) == (3, pytest.approx(0.11 * sign))
    assert found.word == ("holds" if sign > 0 else "does not hold")
    for claim in ("bf16-diverges-without-decay", "bf16-diverges-float32-does-not"):
        assert [(v.seeds, v.word) for v in judged(runs, claim)] == [(6, "holds")]


def test_what_does_not_diverge_is_prevented_by_nothing(tmp_path):
    runs = in_bf16(tmp_path, 6)
    for seed in range(6):
        own = {"seed": seed, "precision": "bf16", "learning_rate": 3e-4}
        runs.append(language_run(tmp_path, 3.0, **own))
    assert judged(runs, "lower-rate-does-not-diverge") == []


@pytest.mark.parametrize("own", [{"precision": "bf16"}, {"precision": "bf16", "weights": "bf16"}])
def test_no_other_claim_is_judged_by_runs_in_several_precisions(tmp_path, own):
    """Of losses at a constant rate, after the drop and of the mean, in float32 and beside it."""
    branch = {"rounds": 5, "learning_rate": 1e-5}
    runs = study(tmp_path)
    for seed in range(3):
        for decay, name in ((0.0, "none"), (0.3, "decoupled-3e-1")):
            more = {"seed": seed, "decay": decay} | own
            at = {"branch": f"{name},learning_rate=6e-4,rounds=4@400"}
            for inside in (False, True) if decay else (False,):
                more["decay_biases"] = inside
                runs.append(language_run(tmp_path, 3.0, averaged=2.0, **more))
                runs.append(language_run(tmp_path, 2.9, **more, **branch, **at))
    tested = {v.claim.id for v in verdicts(WORKLOAD, [grid_of(runs)]) if v.seeds}
    of_autocast = {"bf16-diverges-without-decay", "bf16-diverges-float32-does-not"}
    assert tested == (set() if "weights" in own else of_autocast)


@pytest.mark.parametrize("full", [True, False])
def test_divergence_in_bf16_is_asked_where_float32_goes_through(tmp_path, full):
    """A folder that is all autocast is of another experiment, whatever its rates."""
    runs = in_bf16(tmp_path, 3, 250)
    for seed in range(3):
        own = {"seed": seed, "precision": "bf16", "learning_rate": 3e-4}
        runs.append(language_run(tmp_path, 3.0, **own))
    runs = [run for run in runs if full or run.config["recipe"]["precision"] == "bf16"]
    four = "bf16-diverges-without-decay", "bf16-diverges-float32-does-not"
    four += "lower-rate-does-not-diverge", "lower-rate-costs-loss"
    found = verdicts(WORKLOAD, [grid_of(runs)])
    assert {v.claim.id for v in found if v.seeds} == (set(four) if full else set())


def test_a_seed_without_a_run_in_float32_says_nothing_of_bf16(tmp_path):
    runs = in_bf16(tmp_path, 6, 250)
    for decay in (0.0, 0.3):
        own = {"decay": decay, "seed": 6, "learning_rate": 1e-3, "precision": "bf16"}
        runs.append(language_run(tmp_path, 3.0, **own))
    (found,) = judged(runs, "bf16-diverges-without-decay")
    assert (found.seeds, found.word) == (6, "holds")


@pytest.mark.parametrize("other", [{"scheme": "l2"}, {"decay_biases": True}, {"optimizer": "sgd"}])
def test_divergence_in_bf16_is_of_adamw(tmp_path, other):
    """Beside others, which diverge with decay too, and may tell AdamW's own by where gains are."""
    runs = in_bf16(tmp_path, 6, 250)
    for seed in range(6):
        for decay in (0.0, 0.1) if "optimizer" in other else (0.1,):
            own = {"seed": seed, "learning_rate": 1e-3, "decay": decay, "precision": "bf16"}
            runs.append(language_run(tmp_path, 3.0, diverged_at=250, **own, **other))
    (found,) = judged(runs, "bf16-diverges-without-decay")
    assert (found.seeds, found.word) == (6, "holds")


def test_where_decay_does_nothing_it_is_no_regularisation_by_noise(tmp_path):
    """Losses that differ by noise alone: the number is not below 0 for that."""
    random = np.random.default_rng(0)
    runs = []
    for seed in range(20):
        for decay in (0.0, 0.3):
            loss, gap = random.normal(3, 0.01), random.normal(0, 0.01)
            runs.append(language_run(tmp_path, loss, fit=loss - gap, decay=decay, seed=seed))
    (found,) = judged(runs, "not-regularisation")
    assert found.seeds == 20
    assert found.word != "does not hold"


@pytest.mark.parametrize(
    ("loss", "fit", "mean", "word"),
    [
        (0.11, 0.0, 0.11, "holds"),  # the gap grows, and the fit is as it was
        (0.0, 0.11, -0.0825, "does not hold"),  # it narrows by all that the fit is worse
        (-0.11, -0.11, 0.0275, "holds"),  # decay fits better, as it generalises
    ],
)
def test_regularisation_narrows_the_gap(tmp_path, loss, fit, mean, word):
    """Each moved by decay, the more so by a tenth in later seeds."""
    runs = []
    for seed in range(3):
        much = 1 + (seed - 1) / 10
        runs.append(language_run(tmp_path, 3.0, fit=3.0, seed=seed))
        own = {"fit": 3.0 + fit * much, "decay": 0.3, "seed": seed}
        runs.append(language_run(tmp_path, 3.0 + loss * much, **own))
    (found,) = judged(runs, "not-regularisation")
    assert found.mean == pytest.approx(mean)
    assert found.word == word


def test_early_effective_rates_are_those_of_the_first_half(tmp_path):
    """Rows of updates 100 to 400, of which the later two would say the opposite."""
    runs = []
    for seed in range(3):
        for decay, rates in ((0.0, (1, 1, 9, 9)), (0.3, (2 + seed / 10, 2, 1, 1))):
            run = language_run(tmp_path, 3.0, decay=decay, seed=seed)
            rows = [
                {"round": n, "updates": 100 * (n + 1), "optim/rate_over_norm": rate / 1000}
                for n, rate in enumerate(rates)
            ]
            (run.path / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
            runs.append(run)
    (found,) = judged(runs, "decay-larger-effective-rate")
    assert found.mean == pytest.approx(0.105)


@pytest.mark.parametrize(
    "other",
    [
        {"scheme": "l2"},
        {"scheme": "separated"},
        {"scheme": "l2", "optimizer": "sgd"},
        {"scheme": "decoupled", "optimizer": "sgd"},
        {"decay_biases": True},
        {"scheme": "l2", "decay_biases": True},
    ],
)
def test_claims_of_adamw_are_not_judged_by_others(tmp_path, other):
    runs, more = study(tmp_path), []
    for seed in range(3):
        for decay in (0.0, 0.3) if "optimizer" in other else (0.3,):
            own = {"seed": seed, "decay": decay, "averaged": 2.0}
            more.append(language_run(tmp_path, 3.0, **own, **other))
    alone, beside = (
        {
            (v.claim.id, v.mean)
            for v in verdicts(WORKLOAD, [grid_of(own)])
            if v.seeds and not v.claim.id.startswith(("l2-", "sgd-"))  # their own
        }
        for own in (runs, [*runs, *more])
    )
    assert alone == beside


@pytest.mark.parametrize(("scheme", "optimizer"), [("l2", "adam"), ("l2", "sgd")])
@pytest.mark.parametrize("sign", [1, -1])
def test_other_optimizers_show_the_same_or_do_not(tmp_path, scheme, optimizer, sign):
    runs = []
    for seed in range(3):
        for decay in (0.0, 1e-3):
            for schedule in ("constant", "wsd:100"):
                moved = 0.2 + seed / 100 if schedule == "constant" else -0.04 - seed / 1000
                worth = sign * moved * (decay > 0)
                own = {"decay": decay, "scheme": scheme, "seed": seed, "optimizer": optimizer}
                own["learning_rate_schedule"] = schedule
                runs.append(language_run(tmp_path, 3.0 + worth, **own))
    name = "sgd" if optimizer == "sgd" else "l2"
    for claim, mean in (
        ("drop-worth-more", 0.251 * sign),
        ("constant-rate-higher-loss", 0.21 * sign),
        ("after-drop-lower-loss", 0.041 * sign),
    ):
        (found,) = judged(runs, f"{name}-{claim}")
        assert found.mean == pytest.approx(mean), claim
        assert found.word == ("holds" if sign > 0 else "does not hold")


@pytest.mark.parametrize("sign", [1, -1])
def test_gains_in_the_decay_turn_both_ways(tmp_path, sign):
    """They cost .05 at the lower lambda, by that and .02 more or less at the higher."""
    runs = []
    for seed in range(3):
        for decay, moved in ((0.1, 0.05), (1.0, 0.05 + sign * (0.02 + seed / 1_000))):
            for inside in (False, True):
                own = {"decay": decay, "seed": seed, "decay_biases": inside}
                own["learning_rate_schedule"] = "wsd:100"
                runs.append(language_run(tmp_path, 3.0 + moved * inside, **own))
    (found,) = (
        v for v in verdicts(WORKLOAD, [grid_of(runs)]) if v.claim.id.startswith("norm-gains")
    )
    assert found.mean == pytest.approx(0.021 * sign)
    assert found.word == ("holds" if sign > 0 else "does not hold")


@pytest.mark.parametrize(
    "other",
    [
        {"scheme": "separated"},
        {"optimizer": "sgd"},
        {"scheme": "l2", "optimizer": "sgd", "decay_biases": True},
        {"scheme": "l2", "decay_biases": True},
        {"decay_biases": True},
    ],
)
def test_a_folder_of_other_runs_alone_is_not_judged(tmp_path, other):
    """There what all runs have in common is in no name."""
    runs = []
    for seed in range(3):
        for decay in (0.0, 0.3):
            own = {"seed": seed, "decay": decay} | other
            for rate in ("constant", "wsd:100", "cosine:0.1"):
                runs.append(language_run(tmp_path, 3.0, learning_rate_schedule=rate, **own))
    assert not any(v.seeds for v in verdicts(WORKLOAD, [grid_of(runs)]))


@pytest.mark.parametrize(
    "other",
    [{"scheme": "l2"}, {"scheme": "separated"}, {"optimizer": "sgd"}, {"precision": "bf16"}],
)
def test_gains_in_the_decay_of_others_than_adamw_are_not_judged(tmp_path, other):
    runs = [language_run(tmp_path, 3.0)]  # AdamW's in float32, beside which a precision is told
    for seed in range(3):
        for decay in (0.1, 1.0):
            for inside in (False, True):
                own = {"decay": decay, "seed": seed, "decay_biases": inside} | other
                own["learning_rate_schedule"] = "wsd:100"
                runs.append(language_run(tmp_path, 3.0 + decay * inside, **own))
    assert not judged(runs, "norm-gains-matter-at-high-decay")


def test_every_claim_has_a_statistic():
    import inspect

    from lm.exhibits import claims, precision_claims

    source = inspect.getsource(claims) + inspect.getsource(precision_claims)
    for claim in read_claims(WORKLOAD.claims_file()):
        own = claim.id.removeprefix("l2-").removeprefix("sgd-")
        assert f'"{own}"' in source or f'f"{{name}}-{own}"' in source


@pytest.mark.slow
def test_report_and_claims_as_a_user_types_them(tmp_path, capsys):
    study(tmp_path / "runs")
    assert main(["report", str(tmp_path / "runs"), "--out", str(tmp_path / "report")]) == 0
    text = (tmp_path / "report" / "report.md").read_text()
    assert "before and after the learning rate falls" in text
    assert main(["claims", str(tmp_path / "runs")]) == 0
    assert "in one pass decay does not act as regularisation" in capsys.readouterr().out
