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

LATE, EARLY = "late:1epochs", "early:1epochs"
ROWS = {"norm": 10.0, "square": 1.0, "cross": 2.0, "distance": 5.0}
ROWS |= {"cos_pos": 0.1, "cos_neg": -0.1, "gradient": 1.0}
ROWS |= {"averaged": None, "loss": None, "train": None, "fit": None}


def image_run(
    folder: Path,
    accuracy,
    *,
    scheme="l2",
    seed=0,
    sharpness=None,
    layers="batch",
    epochs=2,
    **values,
):
    """A finished run.

    Args:
        accuracy: at the end; before that it has risen by as much in each epoch.
        sharpness: the losses under additive and multiplicative noise, Keskar's measure (2), the
            largest eigenvalue (30) and the trace (100); the loss itself is .1.
        layers: the recipe's norm; that of the values is the weights'.
        values: of the recipe, or of ROWS: a number for all epochs, or one for each.
    """
    rows = ROWS | {key: values.pop(key) for key in list(values) if key in ROWS}
    recipe = Recipe(data="patterns", epochs=epochs, norm=layers, **values)
    member = Member(scheme, 0.0 if scheme == "none" else 0.01, seed)
    run = Run.of(load("vision"), recipe, member, folder)
    run.create()
    evaluations = []
    for epoch in range(1, epochs + 1):
        now = {k: v[epoch - 1] if isinstance(v, tuple) else v for k, v in rows.items()}
        evaluations.append(
            {
                "epoch": epoch,
                "updates": 10 * epoch,
                "train/loss": now["loss"],
                "train/accuracy": now["train"],
                "fit/accuracy": now["fit"] if epoch == epochs else None,
                "test/accuracy": accuracy * epoch / epochs,
                "test/accuracy_averaged": now["averaged"],
                "weights/norm": now["norm"],
                "weights/distance": now["distance"],
                "growth/square": now["square"],
                "growth/cross": now["cross"],
                "growth/raw_square": now["square"],
                "growth/raw_cross": now["cross"],
            }
        )
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
        others = (2.0, 30.0, 100.0)
        additive, multiplicative, keskar, top, trace = *sharpness, *others[len(sharpness) - 2 :]
        write_json(
            sharpness_path(run.path),
            {
                "epoch": epochs,
                "loss": 0.1,
                "additive": [noise(0.01, additive)],
                "multiplicative": [noise(0.1, multiplicative)],
                "keskar": keskar,
                "top": {"value": top, "products": 21},
                "bottom": {"value": -1.0, "products": 21},
                "trace": {"value": trace, "error": 5.0, "probes": 10},
            },
        )
    finish(run, "finished")
    return run


def noise(gamma, loss):
    return {"gamma": gamma, "loss": loss, "error": 0.0, "difference": loss - 0.1}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


STUDY = {
    "none": {
        "accuracy": 60,
        "scheme": "none",
        "norm": (6.0, 5.0),
        "cross": 8.0,
        "sharpness": (1.0, 2.0, 1.0, 10.0),
    },
    "shuffled": {
        "accuracy": 10,
        "scheme": "none",
        "labels": "shuffled",
        "learning_rate": 0.01,
        "square": 0.5,
        "cross": 1.5,
        "cos_pos": 0.02,
        "gradient": 2.0,
    },
    "always": {"accuracy": 80, "norm": 2.0, "sharpness": (4.0, 1.5, 4.0, 30.0)},
    "early": {
        "accuracy": 78,
        "norm": 3.0,
        "decay_schedule": EARLY,
        "sharpness": (1.2, 1.0, 1.2, 20.0),
    },
    "late": {
        "accuracy": 62,
        "norm": (4.0, 3.0),
        "decay_schedule": LATE,
        "sharpness": (3.0, 2.5, 3.0, 40.0),
    },
    "matched": {"accuracy": 77, "decay_schedule": LATE, "match_budget": True},
    "stuttered": {"accuracy": 79, "decay_schedule": "stuttered:4"},
}
"""The runs of a study in which the paper's claims hold."""
MORE = {
    "skipped": {"accuracy": 78, "decay_schedule": "skipped:4"},
    "norms of always": {"accuracy": 79, "scheme": "none", "match_norms": "l2-1e-2@always"},
    "norms of early": {"accuracy": 76, "scheme": "none", "match_norms": f"l2-1e-2@{EARLY}"},
    "norms of late": {"accuracy": 61, "scheme": "none", "match_norms": f"l2-1e-2@{LATE}"},
}
"""Those with skipped decay, and with the norms of others."""


def study(folder: Path, seeds=3, others=(), more=None, **changes):
    """The grid of STUDY with so many seeds, in which accuracies are a seed's number higher.

    Args:
        others: runs beside it.
        more: kinds of runs beside its own, as MORE.
        changes: by its name another accuracy of a run, other values of it, or None to leave it out.
    """
    runs = []
    for name, usual in (STUDY | (more or {})).items():
        change = changes.get(name.replace(" ", "_"), {})
        if change is None:
            continue
        values = usual | (change if isinstance(change, dict) else {"accuracy": change})
        accuracy = values.pop("accuracy")
        runs += [image_run(folder, accuracy + seed, seed=seed, **values) for seed in range(seeds)]
    return grid_of([*runs, *others])
