"""Runs that are shown together: which they are, and what tells them apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from suite.run_directory import Run
from workload.errors import UserError
from workload.output import warn


def find_runs(paths: Sequence[Path]) -> list[Run]:
    """The runs at these paths, and all below a path that is none itself.

    Raises:
        UserError: there is none at or below one of the paths.
    """
    found: dict[Path, Run] = {}
    for path in paths:
        if (path / "config.json").exists():
            found[path] = Run.at(path)
            continue
        below = 0
        for config in sorted(path.rglob("config.json")):
            try:
                found[config.parent] = Run.at(config.parent)
                below += 1
            except UserError as error:
                warn(f"left out: {error}")
        if not below:
            raise UserError(
                f"{path} is no run directory and has none below it; "
                "run directories look like runs/rl/Pong/*/* and runs/nlp/iwslt14/*/*"
            )
    return list(found.values())


def subject(run: Run) -> str:
    """What the run is trained on: the game, or the corpus by its last name."""
    return Path(str(run.config["recipe"].get(run.workload.SUBJECT, ""))).name


def differing(runs: Sequence[Run]) -> list[str]:
    """Keys of the recipe, but the game or corpus, in which the runs differ."""
    recipes = [run.config["recipe"] for run in runs]
    subjects = {run.workload.SUBJECT for run in runs}
    keys = dict.fromkeys(key for recipe in recipes for key in recipe if key not in subjects)
    return [key for key in keys if len({_text(recipe.get(key)) for recipe in recipes}) > 1]


def several_subjects(runs: Sequence[Run]) -> bool:
    return len({subject(run) for run in runs}) > 1


def values(run: Run, keys: Sequence[str]) -> list[str]:
    """The run's values of these keys of the recipe as text."""
    return [_text(run.config["recipe"].get(key)) for key in keys]


def labels(runs: Sequence[Run]) -> list[str]:
    """What legends call the runs, e.g. `l2-1e-3 decay_schedule=early:10 seed0`."""
    seeds = [run.config["member"]["seed"] for run in runs]
    return [f"{group} seed{seed}" for group, seed in zip(groups(runs), seeds, strict=True)]


def groups(runs: Sequence[Run]) -> list[str]:
    """The labels without the seed: equal where runs differ in nothing else."""
    several = several_subjects(runs)
    return [
        f"{subject(run)} {setting}" if several else setting
        for run, setting in zip(runs, settings(runs), strict=True)
    ]


def settings(runs: Sequence[Run]) -> list[str]:
    """Scheme and lambda, and the other values of the recipe in which the runs differ."""
    keys = differing(runs)
    return [
        " ".join(
            [
                run.path.absolute().parent.name,
                *(f"{key}={value}" for key, value in zip(keys, values(run, keys), strict=True)),
            ]
        )
        for run in runs
    ]


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case float():
            short = f"{value:g}"
            return short if float(short) == value else repr(value)
        case _:
            return str(value)
