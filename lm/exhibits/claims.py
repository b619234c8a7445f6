"""The talk's claims of language models, each as a number per seed that is above 0 where the claim
holds; what they say stands in configs/claims/lm.yaml."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lm.exhibits.drop_table import gap
from lm.exhibits.kinds import CONSTANT, DROPPED, Kind, kinds, rate_of, with_rate
from lm.exhibits.precision_claims import OF_PRECISION, of_adamw, precision_numbers
from lm.metrics import AVERAGED_LOSS, FIT_LOSS, RATE_OVER_NORM, VAL_LOSS
from shared_optim.schemes import BASELINE
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

QUARTER, HALF = 0.25, 0.5
Found = Mapping[Kind, Sequence[Record]]
Reading = Callable[[Record], float | None]
BySeed = dict[int, float]


def claim_numbers(grid: RecordGrid) -> dict[str, dict[str, list[float]]]:
    """Per text, and for each lambda with what else its runs have in common: a number per seed for
    each claim."""
    found: dict[str, dict[str, BySeed]] = {}
    for task in grid.tasks:
        own = kinds(grid, task)
        found |= {
            f"{task}, {kind.label}": _of_kind(own, kind, records) for kind, records in own.items()
        }
        found |= {
            f"{task}, {label}": {"norm-gains-matter-at-high-decay": by_seed}
            for label, by_seed in _gains(own).items()
        }
        found |= precision_numbers(grid, task)
    return {
        label: {claim: [own[seed] for seed in sorted(own)] for claim, own in numbers.items() if own}
        for label, numbers in found.items()
    }


def _of_kind(found: Found, kind: Kind, records: Sequence[Record]) -> dict[str, BySeed]:
    """Of one decay against the runs without, seed by seed. The talk's claims are of AdamW with the
    gains of LayerNorm left out; of Adam and SGD with l2 it says that they show the same."""
    if _of_precision(kind):
        return {}
    record, base = records[0], found.get(kind.baseline, ())

    def against(rate: str, read: Reading) -> BySeed:
        """Decay less none."""
        return _less(_read(records, rate, read), _read(base, rate, read))

    constant, dropped = against(CONSTANT, _loss), against(DROPPED, _loss)
    fallen = dropped or against("wsd", _loss)
    worth_more = _less(constant, fallen)
    if record.member.scheme == "l2" and not record.values["decay_biases"]:
        name = "sgd" if record.values["optimizer"] == "sgd" else "l2"
        return {
            f"{name}-drop-worth-more": worth_more,
            f"{name}-constant-rate-higher-loss": constant,
            f"{name}-after-drop-lower-loss": _negative(fallen),
        }
    if not of_adamw(record):
        return {}
    if kind.decay == BASELINE:
        return {"mean-of-weights-nearly-dropped": _averaged(records)}
    fit, gaps = against(CONSTANT, _fit), against(CONSTANT, gap)
    return {
        "not-regularisation": {s: QUARTER * moved + gaps[s] for s, moved in _moved(fit).items()},
        "constant-rate-higher-loss": constant,
        "after-drop-lower-loss": _negative(fallen),
        "cosine-lower-loss": _negative(against("cosine", _loss)),
        "drop-worth-more": worth_more,
        "decay-larger-effective-rate": against(CONSTANT, _effective_rate),
        "mean-of-weights-nearly-dropped": _averaged(records),
    }


def _of_precision(kind: Kind) -> bool:
    """Whether it stands beside runs of another arithmetic, which L4 alone is asked of."""
    return any(each.startswith(OF_PRECISION) for each in kind.setting)


def _moved(numbers: BySeed) -> BySeed:
    """Numbers in the direction of the mean of the other seeds: their size would be above 0 by noise
    alone. Of one seed it is all that there is."""
    found = {}
    for seed, number in numbers.items():
        others = [other for each, other in numbers.items() if each != seed]
        towards = float(np.mean(others)) if others else number
        found[seed] = number if towards >= 0 else -number
    return found


def _loss(record: Record) -> float:
    return record.scores[VAL_LOSS.key]


def _fit(record: Record) -> float | None:
    return record.newest.get(FIT_LOSS.key)


def _effective_rate(record: Record) -> float | None:
    """The mean of alpha/|w| over the first half of the rows, in per cent."""
    _, values = record.column(record.metrics, RATE_OVER_NORM.key)
    early = values[: (len(values) + 1) // 2]
    return 100 * float(np.mean(early)) if early else None


def _read(records: Sequence[Record], rate: str, read: Reading) -> BySeed:
    found = {seed: read(record) for seed, record in with_rate(records, rate).items()}
    return {seed: value for seed, value in found.items() if value is not None}


def _less(one: BySeed, other: BySeed) -> BySeed:
    return {seed: one[seed] - other[seed] for seed in one if seed in other}


def _negative(numbers: BySeed) -> BySeed:
    return {seed: -number for seed, number in numbers.items()}


def _averaged(records: Sequence[Record]) -> BySeed:
    """What the mean of the weights gains at a constant rate, less half of what the drop gains."""
    constant, dropped = _read(records, CONSTANT, _loss), _read(records, DROPPED, _loss)
    mean = _read(records, CONSTANT, lambda record: record.newest.get(AVERAGED_LOSS.key))
    return {
        seed: constant[seed] - mean[seed] - HALF * (constant[seed] - dropped[seed])
        for seed in mean
        if seed in dropped
    }


def _gains(found: Found) -> dict[str, BySeed]:
    """How much more it costs AdamW at the highest lambda than at the lowest that the gains of
    LayerNorm decay too, by what else runs have in common."""
    losses: dict[tuple[str, ...], dict[float, dict[bool, BySeed]]] = {}
    for kind, records in found.items():
        values, scheme = records[0].values, records[0].member.scheme
        if _of_precision(kind) or (scheme, values["optimizer"]) != ("decoupled", "adam"):
            continue
        rest = tuple(each for each in kind.setting if not each.startswith("decay_biases="))
        for record in records:
            rate = rate_of(record)
            if not record.scores or rate not in ("wsd", DROPPED):
                continue
            member = record.member
            by_lambda = losses.setdefault((*rest, rate), {})
            inside = by_lambda.setdefault(member.weight_decay, {})
            inside.setdefault(bool(record.values["decay_biases"]), {})[member.seed] = _loss(record)
    numbers = {}
    for rest, by_lambda in losses.items():
        moved = {
            weight_decay: _less(both[True], both[False])
            for weight_decay, both in by_lambda.items()
            if len(both) == 2
        }
        if len(moved) > 1:
            label = " ".join(("decoupled", f"{min(moved):g} to {max(moved):g}", *rest))
            numbers[label] = _less(moved[max(moved)], moved[min(moved)])
    return numbers
