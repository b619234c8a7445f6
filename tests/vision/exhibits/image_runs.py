"""Runs on images whose rows a person can check."""

import json
from pathlib import Path

from suite.registry import load
from suite.runs.directory import Run
from tests.suite.results.runs import grid_of
from tests.suite.run_files import finish
from vision.config import Recipe
from vision.sharpness_file import sharpness_path
from workload.files import write_json
from workload.member import Member

EPOCHS = (1, 2)
LATE, EARLY = "late:1epochs", "early:1epochs"


def image_run(
    folder: Path, accuracy, *, scheme="l2", seed=0, sharpness=None, layers="batch", **values
):
    """A finished run of two epochs.

    Args:
        accuracy: at the end; half of it after the first epoch.
        sharpness: the losses under additive and multiplicative noise; the loss itself is .1.
        layers: the recipe's norm; that of the values is the weights'.
        values: of the recipe, or of a row: norm, square, cross, distance, cos_pos, cos_neg,
            gradient, averaged.
    """
    rows = {"norm": 10.0, "square": 1.0, "cross": 2.0, "distance": 5.0}
    rows |= {"cos_pos": 0.1, "cos_neg": -0.1, "gradient": 1.0}
    rows |= {"averaged": None}
    own = {key: values.pop(key) for key in list(values) if key in rows}
    rows |= own
    recipe = Recipe(data="patterns", epochs=2, norm=layers, **values)
    member = Member(scheme, 0.0 if scheme == "none" else 0.01, seed)
    run = Run.of(load("vision"), recipe, member, folder)
    run.create()
    evaluations = [
        {
            "epoch": epoch,
            "updates": 10 * epoch,
            "test/accuracy": accuracy * epoch / 2,
            "test/accuracy_averaged": rows["averaged"],
            "weights/norm": rows["norm"],
            "weights/distance": rows["distance"],
            "growth/square": rows["square"],
            "growth/cross": rows["cross"],
            "growth/raw_square": rows["square"],
            "growth/raw_cross": rows["cross"],
        }
        for epoch in EPOCHS
    ]
    metrics = [
        {
            "epoch": 0,
            "updates": updates,
            "optim/cos_weight_pos": rows["cos_pos"],
            "optim/cos_weight_neg": rows["cos_neg"],
            "optim/gradient_norm": rows["gradient"],
        }
        for updates in (5, 10, 15, 20)
    ]
    write(run.path / "eval.jsonl", evaluations)
    write(run.path / "metrics.jsonl", metrics)
    if sharpness is not None:
        additive, multiplicative = sharpness
        write_json(
            sharpness_path(run.path),
            {
                "epoch": 2,
                "loss": 0.1,
                "additive": [noise(0.01, additive)],
                "multiplicative": [noise(0.1, multiplicative)],
                "keskar": 2.0,
                "top": {"value": 30.0, "products": 21},
                "bottom": {"value": -1.0, "products": 21},
                "trace": {"value": 100.0, "error": 5.0, "probes": 10},
            },
        )
    finish(run, "finished")
    return run


def noise(gamma, loss):
    return {"gamma": gamma, "loss": loss, "error": 0.0, "difference": loss - 0.1}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def study(folder: Path, seeds=3, others=(), **changes):
    """The grid of a study in which the paper's claims hold; `changes` by variant, else none, and
    `others` beside it.

    Accuracies: none 60, always 80, early 78, late 62, stuttered 79, late with the whole budget 77,
    each a seed's number higher.
    """
    accuracy = {"none": 60, "always": 80, "early": 78, "late": 62, "stuttered": 79, "matched": 77}
    accuracy |= changes
    runs = []
    for seed in range(seeds):
        sharp = {"none": (1.0, 2.0), "late": (3.0, 2.5), "early": (1.2, 1.0), "always": (4.0, 1.5)}
        runs += [
            image_run(
                *(folder, accuracy["none"] + seed),
                scheme="none",
                seed=seed,
                norm=20.0,
                cross=8.0,
                sharpness=sharp["none"],
            ),
            image_run(
                *(folder, 10 + seed),
                scheme="none",
                seed=seed,
                labels="shuffled",
                learning_rate=0.01,
                square=0.5,
                cross=1.5,
                cos_pos=0.02,
                gradient=2.0,
            ),
            image_run(folder, accuracy["always"] + seed, seed=seed, sharpness=sharp["always"]),
            image_run(
                *(folder, accuracy["early"] + seed),
                seed=seed,
                norm=12.0,
                decay_schedule=EARLY,
                sharpness=sharp["early"],
            ),
            image_run(
                *(folder, accuracy["late"] + seed),
                seed=seed,
                decay_schedule=LATE,
                sharpness=sharp["late"],
            ),
            image_run(
                *(folder, accuracy["matched"] + seed),
                seed=seed,
                decay_schedule=LATE,
                match_budget=True,
            ),
            image_run(
                folder, accuracy["stuttered"] + seed, seed=seed, decay_schedule="stuttered:4"
            ),
        ]
    return grid_of([*runs, *others])
