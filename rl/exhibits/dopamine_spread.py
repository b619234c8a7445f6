"""How far apart the seeds of Dopamine's DQN are, and what that would hide."""

from rl.exhibits import published
from workload.exhibits.power import smallest_effect
from workload.exhibits.smallest_difference import PublishedSpread

PAPER_SEEDS = 3


def relative(game: str) -> float | None:
    """The smallest difference over the mean that the paper's number of seeds would show."""
    dopamine = published.dopamine_tail().get((published.NEWEST, game))
    if dopamine is None:
        return None
    return smallest_effect(PAPER_SEEDS) * dopamine.deviation / dopamine.mean


DOPAMINE = PublishedSpread(
    relative=relative,
    head="from Dopamine's spread",
    data_head="from_dopamine_spread_relative",
    note=(
        f"what {PAPER_SEEDS} seeds on each side would show with the spread of "
        "Dopamine's DQN (2024, 5 runs, last 5 iterations)."
    ),
)
