"""`wdbench table RUN...`: one line per run, and what the paper's claim looks like in them."""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

from suite.arguments import Parser
from suite.history import History, by_workload, last, read_histories
from suite.run_directory import Run
from suite.shown import differing, find_runs, subject, values
from workload.contract import Score
from workload.output import aligned

SHOWS_FROM = 0.1  # drowned fraction below which the effect is called absent
NEARLY_LAMBDA = 0.05  # distance of ln(median |m/w|) from ln(lambda) that counts as equal
LAMBDA_UNITS = (
    "lambda is not one unit: separated moves a weight by about alpha * lambda * sign(w) per "
    "update, decoupled by alpha * lambda * w."
)


def main(argv: list[str], prog: str) -> int:
    parser = Parser(prog, "Put runs side by side: score and the inside of the optimizer.")
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="run directory, or one above several"
    )
    print(table(find_runs(parser.parse_args(argv).runs)))
    return 0


def table(runs: Sequence[Run]) -> str:
    """A table per workload, each with the sentence that says what to look at.

    Raises:
        UserError: none can be read.
    """
    return "\n\n".join(_table(own) for own in by_workload(read_histories(runs)))


def _table(histories: Sequence[History]) -> str:
    workload = histories[0].run.workload
    keys = differing([history.run for history in histories])
    head = [workload.SUBJECT, "scheme", "lambda", *keys, "seed", "status"]
    head += [*(score.head for score in workload.SCORES), "weight norm", "median |m/w|", "drowned"]
    lines = [head, *(_cells(history, keys) for history in histories)]
    notes = [look_at(histories)]
    if {"separated", "decoupled"} <= {history.member["scheme"] for history in histories}:
        notes.append(LAMBDA_UNITS)
    return "\n".join(
        [*aligned(lines, rule=True), "", *(textwrap.fill(note, 100) for note in notes)]
    )


def look_at(histories: Sequence[History]) -> str:
    """What the paper says of L2, as measured: how much of the gradient the decay drowns in m."""
    column = "In parentheses: what would drown if the decay went through m (none: at lambda 1e-3)."
    measured = [
        (share, history)
        for history in histories
        if history.member["scheme"] == "l2"
        and history.run.config["recipe"].get("decay_schedule", "always") == "always"
        and (share := last(history.metrics, "optim/drowned_fraction")) is not None
    ]
    if not measured:
        return f"drowned: the share of weights whose decay outweighs their gradient in m. {column}"
    share, history = max(measured, key=lambda pair: pair[0])
    weight_decay = float(history.member["weight_decay"])
    fact = (
        f"under l2 at lambda {weight_decay:g} the decay outweighs the objective's gradient inside "
        f"Adam's m for {share:.1%} of the weights"
    )
    log_median = last(history.metrics, "optim/log_m_over_w/q50")
    if log_median is not None and abs(log_median - math.log(weight_decay)) < NEARLY_LAMBDA:
        fact += ", and the median |m/w| is lambda itself: there m is the decay and little else"
    if share < SHOWS_FROM:
        return f"Drowning does not show at this length: {fact}. {column}"
    return f"Look at the column drowned: {fact}. {column}"


def _cells(history: History, keys: Sequence[str]) -> list[str]:
    member, metrics = history.member, history.metrics
    log_median = last(metrics, "optim/log_m_over_w/q50")
    drowned = last(metrics, "optim/drowned_fraction")
    inside = member["scheme"] == "l2"
    return [
        subject(history.run),
        str(member["scheme"]),
        f"{member['weight_decay']:g}" if member["weight_decay"] else "-",
        *values(history.run, keys),
        str(member["seed"]),
        history.status,
        *(_score(history, score) for score in history.run.workload.SCORES),
        _number(last(metrics, "optim/weight_norm")),
        "-" if log_median is None else f"{math.exp(log_median):.2e}",
        "-" if drowned is None else f"{drowned:.1%}" if inside else f"({drowned:.1%})",
    ]


def _score(history: History, score: Score) -> str:
    """The newest evaluation; where there is none, what stands in for it, marked as such."""
    value, mark = last(history.evaluations, score.key), ""
    if value is None and score.otherwise:
        value = last(history.evaluations, score.otherwise)
        mark = f" {score.otherwise.partition('/')[0]}"
    return "-" if value is None else f"{value:.{score.decimals}f}{mark}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
