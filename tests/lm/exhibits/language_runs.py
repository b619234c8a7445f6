"""Runs of language models whose rows a person can check."""

import json
from pathlib import Path

from lm.config import Recipe
from suite.registry import load
from suite.runs.directory import Run
from tests.suite.run_files import finish
from workload.member import Member


def language_run(
    folder: Path,
    loss,
    *,
    decay=0.0,
    scheme="decoupled",
    seed=0,
    fit=None,
    averaged=None,
    rate=1e-3,
    diverged_at=None,
    **values,
):
    """A finished run of four rounds, whose loss is a nat higher after the first two.

    Args:
        loss: of validation at the end.
        decay: lambda; 0 is the scheme `none`.
        fit: loss on windows of the training text; that of validation by default.
        averaged: of the mean of the weights.
        rate: alpha/|w| of all rows.
        diverged_at: the update at which it diverged, in place of finishing.
        values: of the recipe.
    """
    given = {"data": "words", "tokens": "characters", "vocabulary": 0, "rounds": 4}
    recipe = Recipe(**(given | {"updates_per_round": 100, "warm_up": 10} | values))
    member = Member(scheme if decay else "none", decay, seed)
    run = Run.of(load("lm"), recipe, member, folder)
    run.create()
    evaluations, metrics = [], []
    for number in range(1 + (recipe.branch_round if recipe.branch else 0), recipe.rounds + 1):
        updates = number * 100
        if diverged_at and updates > diverged_at:
            break
        own = loss + (number <= 2)
        evaluations.append(
            {
                "round": number,
                "updates": updates,
                "train/loss": own,
                "val/loss": own,
                "fit/loss": own if fit is None else fit + (number <= 2),
                "val/loss_averaged": averaged,
                "weights/norm": 10.0,
            }
        )
        row = {"round": number - 1, "updates": updates, "train/loss": own}
        metrics.append(row | {"optim/rate_over_norm": rate, "optim/rate_over_square": rate / 10})
    if diverged_at:
        metrics.append({"updates": diverged_at, "train/loss": 9.0, "diverged": True})
    for name, rows in (("eval", evaluations), ("metrics", metrics)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (run.path / f"{name}.jsonl").write_text(text)
    finish(run, "diverged" if diverged_at else "finished")
    return run


def study(folder: Path, sign=1, seeds=3, decay=0.3):
    """Runs in which the talk's claims hold, or with the sign -1 do not.

    At a constant rate decay costs .1 nats and a seed's hundredth; after the drop and with cosine it
    gains .03 and that hundredth.
    """
    runs = []
    for seed in range(seeds):
        more = seed / 100
        for own, constant, low in (
            (0.0, 3.0, 2.9),
            (decay, 3.0 + sign * (0.1 + more), 2.9 - sign * (0.03 + more)),
        ):
            gap = 0.0 if sign > 0 or not own else -0.5 - more
            trunk = {"decay": own, "seed": seed, "averaged": constant - 0.9 * sign}
            trunk |= {"rate": (1 + sign * (own > 0) * (0.5 + more)) * 1e-3}
            name = "decoupled-3e-1" if own else "none"
            runs += [
                language_run(folder, constant, fit=constant - gap, **trunk),
                language_run(
                    *(folder, low),
                    decay=own,
                    seed=seed,
                    rounds=5,
                    learning_rate=1e-5,
                    branch=f"{name},learning_rate=6e-4,rounds=4@400",
                ),
                language_run(
                    folder, low, decay=own, seed=seed, learning_rate_schedule="cosine:0.1"
                ),
            ]
    return runs
