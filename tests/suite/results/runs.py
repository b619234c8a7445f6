"""Finished and unfinished runs with results of a test's choice, and what a report makes of them."""

import json

from suite.registry import load
from suite.results.records import read
from suite.results.selection import describe, one_of_each
from tests.suite.run_files import finish, make_run, make_translation
from workload.exhibits.grid import RecordGrid
from workload.files import write_json

SHORT = {"iterations": 3, "training_steps": 1000, "evaluation_steps": 500}
QUANTILES = {"q01": -20.0, "q05": -15.0, "q25": -11.0, "q50": -9.0, "q75": -7.0, "q95": -5.0}


def inside(step, norm=30.0, shift=0.0, key="agent_steps"):
    """A row of metrics with a look inside the optimizer; `shift` moves the quantiles."""
    quantiles = {
        f"optim/log_m_over_w/{name}": value + shift
        for name, value in {**QUANTILES, "q99": -3.0}.items()
    }
    return {"iteration": 0, key: step, "optim/weight_norm": norm, **quantiles}


def game_run(runs, game, scheme, weight_decay, seed, returns, status="finished", rows=(), **recipe):
    """A run on a game with an evaluation per return; training returns are ten times as high.

    Args:
        status: `finished`, `diverged`, `failed` or `unfinished`.
        rows: of metrics.
        recipe: values other than SHORT's.
    """
    evaluated = recipe.get("evaluation_steps", 1) > 0
    scores = [
        {"train/return": 10.0 * value, "eval/return": value if evaluated else None}
        for value in returns
    ]
    if status == "diverged":
        rows = [*rows, {"iteration": 0, "agent_steps": 2500, "diverged": True}]
    run = make_run(
        runs, scheme, weight_decay, seed, rows=rows, scores=scores, game=game, **(SHORT | recipe)
    )
    return _end(run, status)


def translation_run(
    runs,
    data,
    scheme,
    weight_decay,
    seed,
    bleu,
    *,
    status="finished",
    texts=None,
    rows=(),
    signature="nrefs:1|tok:13a",
    others=(),
    **recipe,
):
    """A run on a corpus with three epochs and a test.

    Args:
        bleu: tokenised and detokenised BLEU of the test set.
        texts: hypotheses and references of the test set, to be written beside.
        others: further values of the test's row.
    """
    scores = [
        {"epoch": epoch, "updates": 100 * epoch, "valid/bleu": bleu[0] * epoch / 3}
        for epoch in (1, 2, 3)
    ]
    test = {"test/bleu": bleu[0], "test/bleu_13a": bleu[1], "test/signature_13a": signature}
    if status == "finished":
        scores.append({"epoch": 3, "updates": 300, **test, **dict(others)})
    run = make_translation(
        runs, scheme, weight_decay, seed, rows=rows, scores=scores, data=data, **recipe
    )
    for name, lines in zip(("hypotheses", "references"), texts or (), strict=False):
        text = "".join(f"{line}\n" for line in lines)
        (run.path / f"test.{name}.txt").write_text(text, encoding="utf-8")
    return _end(run, status)


def _end(run, status):
    if status in ("finished", "diverged"):
        finish(run, status)
    elif status == "failed":
        write_json(run.path / "failed.json", {"error": "RuntimeError: out of memory"})
    return run


def records_of(runs, last=5, leave_out=None):
    """The records of runs, all of which can be read unless `leave_out` is given."""
    leave_out = leave_out or refuse
    return read(one_of_each(describe(runs, leave_out), leave_out), last, leave_out)


def grid_of(runs, last=5):
    """The grid of runs of one workload that can all be read."""
    records = records_of(runs, last)
    workload = load(records[0].workload)
    return RecordGrid.of(records, workload, last)


def refuse(reason):
    """In place of `leave_out` where nothing is to be left out."""
    raise AssertionError(reason)


def records_of_table(table):
    """A table's data as dictionaries."""
    return [dict(zip(table.data_head, row, strict=True)) for row in table.data]


def contents(folder):
    """Every file below a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def edit_json(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
