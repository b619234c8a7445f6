"""What a run is called in figures of images: none, always, early, late and so on."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared_optim.schedules import parse_schedule
from shared_optim.schemes import BASELINE
from workload.exhibits.drawing import Style
from workload.exhibits.grid import RecordGrid
from workload.exhibits.record import Record

SHUFFLED = "shuffled"
# In the order of legends. The colours are Okabe and Ito's.
STYLES: dict[str, Style] = {
    "none": {"color": "#000000", "linestyle": "-"},
    "always": {"color": "#0072B2", "linestyle": "-"},
    "early": {"color": "#009E73", "linestyle": (0, (6, 1.5))},
    "late": {"color": "#D55E00", "linestyle": (0, (4, 1.2, 1, 1.2))},
    "late, matched": {"color": "#E69F00", "linestyle": (0, (1.2, 1))},
    "stuttered": {"color": "#CC79A7", "linestyle": (0, (3, 1, 1, 1, 1, 1))},
    "skipped": {"color": "#56B4E9", "linestyle": (0, (3, 1, 1, 1, 1, 1))},
    "none, shuffled": {"color": "#777777", "linestyle": (0, (1.2, 1))},
}
_OTHER: Sequence[Style] = (
    {"color": "#A6761D", "linestyle": "-"},
    {"color": "#666600", "linestyle": (0, (6, 1.5))},
    {"color": "#7570B3", "linestyle": (0, (4, 1.2, 1, 1.2))},
    {"color": "#1B9E77", "linestyle": (0, (1.2, 1))},
)
_IN_NAME = ("decay_schedule", "match_budget", "labels", "norm", "match_norms")
_OF_PLACE = ("data", "norm")


@dataclass(frozen=True)
class Variant:
    """Runs that differ in their seed alone.

    Attributes:
        name: what decay they had, one of the keys of STYLES or more than these.
        label: the name, and what else tells them from the others of a figure.
        records: one per seed.
        decay: scheme and lambda; empty for those without decay.
        setting: what else runs of the study differ in, as `learning_rate=0.01`.
    """

    name: str
    label: str
    records: tuple[Record, ...]
    decay: tuple[str, ...]
    setting: tuple[str, ...]


def name_of(record: Record) -> str:
    """E.g. `early`, `late, matched` or `none, shuffled`."""
    values, member = record.values, record.member
    if values.get("match_norms"):
        name = f"none, norms of {_reference(str(values['match_norms']))}"
    elif member.scheme == BASELINE:
        name = BASELINE
    else:
        name = parse_schedule(str(values["decay_schedule"])).kind
        name += ", matched" if values.get("match_budget") else ""
    for key, told in (("sphere", "on the sphere"), ("branch", "branch")):
        name += f", {told}" if values.get(key) else ""
    return name + (f", {SHUFFLED}" if values.get("labels") == SHUFFLED else "")


def variants(
    grid: RecordGrid, task: str, keep: Callable[[Record], bool] = lambda record: True
) -> list[Variant]:
    """The runs of a task that a figure keeps, put together, in the order of the legend."""
    Kind = tuple[str, tuple[str, ...], tuple[str, ...]]
    found: dict[Kind, list[Record]] = {}
    for row in grid.rows_of(task):
        setting = tuple(
            f"{key}={value}"
            for key, value in zip(grid.keys, row.extras, strict=True)
            if key not in (*_IN_NAME, *_OF_PLACE)
        )
        decay = () if row.scheme == BASELINE else (row.scheme, row.decay)
        for record in grid.at(row, task):
            if keep(record):
                found.setdefault((name_of(record), decay, setting), []).append(record)
    shared = {
        extra
        for extra in {each for _, decay, setting in found for each in (*decay, *setting)}
        if all(extra in (*decay, *setting) for name, decay, setting in found if _has(extra, name))
    }
    named = [
        Variant(
            name,
            " ".join([name, *(e for e in (*decay, *setting) if e not in shared)]),
            tuple(records),
            decay,
            setting,
        )
        for (name, decay, setting), records in found.items()
    ]
    order = list(STYLES)
    return sorted(
        named,
        key=lambda v: (order.index(v.name) if v.name in order else len(order), v.label),
    )


def styles(present: Sequence[Variant]) -> dict[str, Style]:
    """Colour and line of each label of a figure. Of several with one name, that whose setting and
    decay most others of the figure have looks as the name does."""
    settings, decays = (Counter(getattr(v, key) for v in present) for key in ("setting", "decay"))
    usual: dict[str, str] = {}
    for variant in sorted(present, key=lambda v: (-settings[v.setting], -decays[v.decay])):
        usual.setdefault(variant.name, variant.label)
    taken: dict[str, Style] = {}
    others = 0
    for variant in present:
        own = STYLES.get(variant.name)
        if own is None or usual[variant.name] != variant.label:
            own = _OTHER[others % len(_OTHER)]
            others += 1
        taken[variant.label] = own
    return taken


def _reference(text: str) -> str:
    """Of a run whose norms are taken, its decay schedule, or else its scheme and lambda."""
    run, _, schedule = text.partition("@")
    return schedule.partition(":")[0] or run.partition("/")[0]


def _has(extra: str, name: str) -> bool:
    """Whether runs of this name could have the extra: schemes and lambdas are not those of none."""
    return "=" in extra or not name.startswith(BASELINE)
