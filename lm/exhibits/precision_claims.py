"""The talk's claims of training in bfloat16, each as a number per seed that is above 0 where the
claim holds; what they say stands in configs/claims/lm.yaml."""

from collections.abc import Mapping

from lm.exhibits.kinds import CONSTANT, kinds, precision_of, rate_of
from lm.metrics import VAL_LOSS
from shared_optim.schemes import BASELINE
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

HALF = 0.5
OF_PRECISION = ("precision=", "weights=")
_APART = (*OF_PRECISION, "learning_rate=", "decay_biases=")
Runs = Mapping[int, Record]
"""By seed."""


def of_adamw(record: Record) -> bool:
    """Whether it is of AdamW with the gains of LayerNorm left out, or of Adam without decay."""
    scheme = record.member.scheme
    kept = scheme == "decoupled" and not record.values["decay_biases"]
    return record.values["optimizer"] == "adam" and (kept or scheme == BASELINE)


def precision_numbers(grid: RecordGrid, task: str) -> dict[str, dict[str, dict[int, float]]]:
    """By what runs have in common and by claim, of AdamW at a constant rate, of runs that have
    ended.

    The moderate rate is the highest that autocast without decay has. Where none in float32 is at it
    nothing is said: lm.yaml is all autocast, and of another experiment.
    """
    found: dict[tuple[str, ...], dict[tuple[str, str, float], dict[int, Record]]] = {}
    for kind, records in kinds(grid, task).items():
        rest = tuple(each for each in kind.setting if not each.startswith(_APART))
        for record in records:
            ended = record.diverged or record.scores
            if ended and rate_of(record) == CONSTANT and of_adamw(record):
                rate = float(record.values["learning_rate"])
                key = kind.decay, precision_of(record), rate
                found.setdefault(rest, {}).setdefault(key, {})[record.member.seed] = record
    numbers = {}
    for rest, runs in found.items():
        rates = [rate for name, kind, rate in runs if (name, kind) == (BASELINE, "bf16 autocast")]
        moderate = max(rates, default=0.0)
        full = runs.get((BASELINE, "float32", moderate))
        if not full:
            continue
        plain = runs[BASELINE, "bf16 autocast", moderate]
        below = max((rate for rate in rates if rate < moderate), default=moderate)
        lower = runs[BASELINE, "bf16 autocast", below] if below < moderate else {}
        numbers[" ".join((f"{task}, {BASELINE} in bf16", *rest))] = {
            "bf16-diverges-float32-does-not": _outlived(plain, full),
            "lower-rate-does-not-diverge": _outlived(
                {seed: run for seed, run in plain.items() if run.diverged}, lower
            ),
            "lower-rate-costs-loss": _costs(lower, full),
        }
        for (name, precision, rate), own in runs.items():
            if name != BASELINE and (precision, rate) == ("bf16 autocast", moderate):
                sound = {seed for seed, run in full.items() if not run.diverged}
                known = {seed: run for seed, run in plain.items() if seed in sound}
                label = " ".join((f"{task}, {name} in bf16", *rest))
                numbers[label] = {"bf16-diverges-without-decay": _outlived(known, own)}
    return numbers


def _outlived(runs: Runs, other: Runs) -> dict[int, float]:
    """.5 where the run diverged and the other of its seed did not, else -.5."""
    return {
        seed: HALF if run.diverged and not other[seed].diverged else -HALF
        for seed, run in runs.items()
        if seed in other
    }


def _costs(lower: Runs, full: Runs) -> dict[int, float]:
    """The loss at a lower rate less that in float32 at the moderate one, of runs that finished."""
    losses = [
        {seed: run.scores[VAL_LOSS.key] for seed, run in runs.items() if run.scores}
        for runs in (lower, full)
    ]
    return {seed: loss - losses[1][seed] for seed, loss in losses[0].items() if seed in losses[1]}
