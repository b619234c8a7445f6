"""Bjorck et al.'s claims, each as a number per seed that is above 0 where the claim holds; what
they say stands in configs/claims/vision.yaml."""

from collections.abc import Sequence

from shared_optim.schemes import BASELINE
from vision.exhibits import decay_claims, norm_claims
from vision.exhibits.statistic import SHUFFLED_LABELS, THAT_RATE, numbers_of
from vision.exhibits.talk_claims import is_plain_sgd, talk_numbers
from vision.exhibits.variants import Variant, variants
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

STATISTICS = {**decay_claims.STATISTICS, **norm_claims.STATISTICS}


def claim_numbers(grid: RecordGrid) -> dict[str, dict[str, list[float]]]:
    """Per image set, with and without normalisation, and in plain SGD: a number per seed for each
    claim of `configs/claims/vision.yaml`."""
    found = {}
    for task in grid.tasks:
        for norm, without in (("batch", ""), ("none", ", without normalisation")):
            seeds, chosen = _by_seed(grid, task, norm)
            of_several = f" ({chosen})" if chosen else ""
            if seeds:
                numbers = {key: numbers_of(each, seeds) for key, each in STATISTICS.items()}
                found[f"{task}{without}{of_several}"] = numbers
        found[f"{task}, plain SGD"] = talk_numbers(grid, task)
    return found


def _by_seed(grid: RecordGrid, task: str, norm: str) -> tuple[list[dict[str, Record]], str]:
    """The finished runs of each seed, by name, and in words what was chosen where there was a
    choice.

    All are of one setting, and those with decay of one scheme and lambda: those of the most runs
    with decay always, or else of the most. Shuffled labels may have a learning rate of their own;
    the runs without decay at that rate are `none, that rate`.
    """
    talks = _compares_rates_in_plain_sgd(grid, task)

    def is_meant(record: Record) -> bool:
        values = record.values
        left_out = values.get("sphere") or (talks and is_plain_sgd(record))
        return values["norm"] == norm and not left_out

    finished = [
        variant
        for variant in variants(grid, task, is_meant)
        if any(record.scores for record in variant.records)
    ]
    decaying = [v for v in finished if v.decay]
    chosen = _most(decaying or [v for v in finished if v.name == BASELINE] or finished)
    if chosen is None:
        return [], ""
    mine = [v for v in finished if v.setting == chosen.setting and v.decay in ((), chosen.decay)]
    elsewhere = [
        v
        for v in finished
        if v.name == SHUFFLED_LABELS and _without_rate(v) == _without_rate(chosen)
    ]
    named = [(v.name, v) for v in mine]
    if not any(name == SHUFFLED_LABELS for name, _ in named):
        shuffled = _most(elsewhere)
        named += [(v.name, v) for v in elsewhere if v is shuffled]
        named += [
            (THAT_RATE, v)
            for v in finished
            if shuffled and v.name == BASELINE and v.setting == shuffled.setting
        ]
    seeds: dict[int, dict[str, Record]] = {}
    for name, variant in named:
        for record in variant.records:
            if record.scores:
                seeds.setdefault(record.member.seed, {})[name] = record
    left_out = any(all(v is not used for _, used in named) for v in finished)
    words = " ".join([*chosen.decay, *chosen.setting]) if left_out else ""
    return [seeds[seed] for seed in sorted(seeds)], words


def _compares_rates_in_plain_sgd(grid: RecordGrid, task: str) -> bool:
    """Whether runs without momentum have decay at several learning rates: they are the talk's then,
    as are those on the sphere, whose norm is no result."""
    rates = {
        record.values["learning_rate"]
        for row in grid.rows_of(task)
        for record in grid.at(row, task)
        if record.member.scheme != BASELINE and is_plain_sgd(record)
    }
    return len(rates) > 1


def _most(of: Sequence[Variant]) -> Variant | None:
    """The one whose setting and decay have the most runs of decay always, or else of any."""

    def runs(like: Variant) -> tuple[int, int]:
        alike = [v for v in of if (v.decay, v.setting) == (like.decay, like.setting)]
        always = sum(len(v.records) for v in alike if v.name == "always")
        return always, sum(len(v.records) for v in alike)

    return max(of, key=runs, default=None)


def _without_rate(variant: Variant) -> tuple[str, ...]:
    return tuple(each for each in variant.setting if not each.startswith("learning_rate="))
