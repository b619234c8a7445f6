"""The talk's claims of language models, each as a number per seed that is above 0 where the claim
holds; what they say stands in configs/claims/lm.yaml."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lm.exhibits.drop_table import gap
from lm.exhibits.kinds import CONSTANT, DROPPED, Kind, kinds, precision_of, rate_of, with_rate
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
    numbers: dict[str, dict[str, list[float]]] = {}
    for task in grid.tasks:
        found = kinds(grid, task)
        for kind, records in found.items():
            own = _of_kind(found, kind, records)
            numbers[f"{task}, {kind.label}"] = {
                claim: [by_seed[seed] for seed in sorted(by_seed)]
                for claim, by_seed in own.items()
                if by_seed
            }
        numbers |= {
            f"{task}, {label}": {"norm-gains-matter-at-high-decay": values}
            for label, values in _gains(found).items()
        }
    return numbers


def _of_kind(found: Found, kind: Kind, records: Sequence[Record]) -> dict[str, BySeed]:
    """Of one decay against the runs without, seed by seed."""
    averaged = {"mean-of-weights-nearly-dropped": _averaged(records)}
    if kind.decay == BASELINE:
        return averaged
    base = found.get(kind.baseline, ())

    def against(rate: str, read: Reading) -> BySeed:
        """Decay less none."""
        return _less(_read(records, rate, read), _read(base, rate, read))

    fit, gaps = against(CONSTANT, _fit), against(CONSTANT, gap)
    constant, dropped = against(CONSTANT, _loss), against(DROPPED, _loss)
    fallen = dropped or against("wsd", _loss)
    return averaged | {
        "not-regularisation": {s: QUARTER * abs(fit[s]) - abs(gaps[s]) for s in gaps if s in fit},
        "constant-rate-higher-loss": constant,
        "after-drop-lower-loss": _negative(dropped),
        "cosine-lower-loss": _negative(against("cosine", _loss)),
        _same_picture(records): _less(constant, fallen),
        "decay-larger-effective-rate": against(CONSTANT, _effective_rate),
        "bf16-diverges-without-decay": _rescued(records, base, _in_float32(found, kind)),
    }


def _same_picture(records: Sequence[Record]) -> str:
    """The claim that the drop is worth more with decay, of AdamW, of Adam with l2, of SGD."""
    record = records[0]
    if record.values["optimizer"] == "sgd":
        return "sgd-drop-worth-more"
    return "l2-drop-worth-more" if record.member.scheme == "l2" else "drop-worth-more"


def _loss(record: Record) -> float:
    return record.scores[VAL_LOSS.key]


def _fit(record: Record) -> float | None:
    return record.newest.get(FIT_LOSS.key)


def _effective_rate(record: Record) -> float | None:
    """The mean of alpha/|w| over the second half of the rows, in per cent."""
    _, values = record.column(record.metrics, RATE_OVER_NORM.key)
    late = values[len(values) // 2 :]
    return 100 * float(np.mean(late)) if late else None


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


def _in_float32(found: Found, kind: Kind) -> Sequence[Record]:
    """The same runs without decay, in float32."""
    setting = kind.baseline.setting
    plain = ("precision=float32" if each == "precision=bf16" else each for each in setting)
    return found.get(Kind(BASELINE, tuple(plain)), ())


def _rescued(records: Sequence[Record], base: Sequence[Record], plain: Sequence[Record]) -> BySeed:
    """.5 where autocast without decay diverged and with decay did not, else -.5; not of seeds that
    diverge in float32 without decay, whatever bf16 does."""

    def ended(of: Sequence[Record], precision: str = "bf16 autocast") -> dict[int, bool]:
        return {
            record.member.seed: record.diverged
            for record in of
            if precision_of(record) == precision
            and rate_of(record) == CONSTANT
            and (record.diverged or record.scores)
        }

    mine, theirs, lost = ended(records), ended(base), ended(plain, "float32")
    return {
        seed: HALF if theirs[seed] and not mine[seed] else -HALF
        for seed in mine
        if seed in theirs and not lost.get(seed)
    }


def _gains(found: Found) -> dict[str, list[float]]:
    """How much more it matters at the highest lambda than at the lowest whether the gains of
    LayerNorm decay, by scheme and what else runs have in common."""
    losses: dict[tuple[str, tuple[str, ...]], dict[float, dict[bool, BySeed]]] = {}
    for kind, records in found.items():
        if kind.decay == BASELINE:
            continue
        rest = tuple(each for each in kind.setting if not each.startswith("decay_biases="))
        for record in records:
            rate = rate_of(record)
            if not record.scores or rate not in ("wsd", DROPPED):
                continue
            member = record.member
            by_lambda = losses.setdefault((member.scheme, (*rest, rate)), {})
            inside = by_lambda.setdefault(member.weight_decay, {})
            inside.setdefault(bool(record.values["decay_biases"]), {})[member.seed] = _loss(record)
    numbers = {}
    for (scheme, rest), by_lambda in losses.items():
        moved = {
            weight_decay: {s: abs(d) for s, d in _less(both[True], both[False]).items()}
            for weight_decay, both in by_lambda.items()
            if len(both) == 2
        }
        if len(moved) > 1:
            shift = _less(moved[max(moved)], moved[min(moved)])
            label = " ".join((scheme, f"{min(moved):g} to {max(moved):g}", *rest))
            numbers[label] = [shift[seed] for seed in sorted(shift)]
    return numbers
