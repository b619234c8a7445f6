"""Every grid that a claim names has the runs that test it: with rows of any numbers in them the
claim gets one per seed, and no more, for runs of one seed are not independent."""

import json
import zlib

import numpy as np
import pytest

from shared_optim.figures import FIGURES, QUANTILE_KEYS
from suite.batch.grid_file import read_grid
from suite.registry import load, names
from tests.suite.results.runs import records_of
from tests.suite.run_files import finish
from tests.vision.exhibits.image_runs import noise
from vision.sharpness_file import sharpness_path
from workload.claims import read_claims, verdicts
from workload.exhibits.grid import RecordGrid
from workload.files import write_json
from workload.verdict import FEWEST

CLAIMS = {name: read_claims(load(name).claims_file()) for name in names()}
GRIDS = sorted({(name, grid) for name in CLAIMS for each in CLAIMS[name] for grid in each.grids})


WORTH = {"none": 0.0, "l2": 2.0}
"""By which decay raises the scores: some claims are of what it is worth. Others' is 4."""


def fill(run, workload, recipe, status="finished"):
    """Rows with a number for every key that is declared, and sharpness."""
    report = workload.report
    metrics = (*report.scores, *report.others, *report.drawn, *FIGURES)
    metrics += tuple(curve.metric for curve in report.curves)
    keys = (*(metric.key for metric in metrics), *QUANTILE_KEYS.values(), "weights/norm")
    random = np.random.default_rng(zlib.crc32(str(run.path.name).encode()))
    run.create()
    rows = []
    for number in np.unique(np.linspace(1, getattr(recipe, workload.LENGTH_KEY), 6, dtype=int)):
        row = {workload.EPOCH_KEY: int(number), workload.STEP_KEY: 10 * int(number)}
        numbers = dict(zip(keys, random.uniform(1, 2, len(keys)), strict=True))
        for score in report.scores:
            numbers[score.key] += WORTH.get(run.member.scheme, 4.0)
        if workload.NAME == "vision":
            numbers["fit/accuracy"] = random.uniform(99, 100)  # else there is no U on the sphere
            if recipe.decay_schedule.startswith("late"):
                numbers["weights/norm"] += 1  # above that of always when late decay begins
        rows.append({**numbers, **row})
    for name in ("eval", "metrics"):
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        (run.path / f"{name}.jsonl").write_text(text)
    finish(run, status)
    if workload.NAME == "vision":
        sizes = [noise(size, random.uniform(1, 2)) for size in (0.01, 0.1)]
        extremes = {key: {"value": random.uniform()} for key in ("top", "bottom", "trace")}
        content = {"epoch": int(number), "loss": 0.1, "keskar": 2.0, **extremes}
        content |= dict.fromkeys(("additive", "multiplicative"), sizes)
        write_json(sharpness_path(run.path), content)


def _status(grid, run):
    """Autocast without decay diverges at the moderate rate: one claim is of what prevents that."""
    if not grid.startswith("lm-bf16") or run.member.scheme != "none":
        return "finished"
    recipe = run.recipe
    moderate = recipe.learning_rate in (1e-3, 1e-2)
    autocast = recipe.precision == "bf16" and recipe.weights == "float32"
    return "diverged" if autocast and moderate else "finished"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "grid"), GRIDS)
def test_a_grid_tests_the_claims_that_name_it(name, grid, tmp_path):
    workload = load(name)
    file = workload.claims_file().parents[1] / "grids" / grid
    runs = [run for run in read_grid(file, tmp_path, {}).runs if run.workload is workload]
    for run in runs:
        fill(run.run, workload, run.recipe, _status(grid, run))
    records = records_of([run.run for run in runs])
    tasks = {record.task for record in records}
    grids = [RecordGrid.of([r for r in records if r.task == t], workload, 5) for t in tasks]
    seeds = {record.member.seed for record in records}
    most = {}
    for verdict in verdicts(workload, grids):
        assert verdict.seeds <= len(seeds), verdict.claim.id
        most[verdict.claim.id] = max(verdict.seeds, most.get(verdict.claim.id, 0))
    named = {claim.id for claim in CLAIMS[name] if grid in claim.grids}
    assert {claim for claim in named if most[claim] < FEWEST} == set()
