"""Divergence against a plain loop over the losses."""

import math

import pytest
import torch

from lm.watch import DivergenceWatch

CPU = torch.device("cpu")


def plain(losses, rise):
    lowest = math.inf
    for update, loss in enumerate(losses, 1):
        if not math.isfinite(loss) or (rise and loss > lowest + rise):
            return update
        lowest = min(lowest, loss)
    return None


@pytest.mark.parametrize(
    ("losses", "rise", "expected"),
    [
        ([4.0, 3.0, 3.4, 2.9, 3.39], 0.5, None),
        ([4.0, 3.0, 3.4, 2.9, 3.41, 9.0], 0.5, 5),  # against the lowest, not the one before
        ([4.0, 3.0, 9.0, 3.0], 0.0, None),
        ([4.0, math.nan, 3.0], 0.5, 2),
        ([4.0, math.inf, 3.0], 0.0, 2),
        ([math.nan], 0.5, 1),
        ([4.0, 5.0, 4.2, 2.0], 0.5, 2),  # it stays diverged
    ],
)
def test_the_first_update_that_is_bad(losses, rise, expected):
    watch = DivergenceWatch(rise, CPU)
    for update, loss in enumerate(losses, 1):
        watch.see(torch.tensor(loss), update)
    assert watch.update == plain(losses, rise) == expected


def test_many_losses_at_random():
    random = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(50):
        losses = (3 + 0.3 * torch.randn(40, generator=random)).tolist()
        watch = DivergenceWatch(1.2, CPU)
        for update, loss in enumerate(losses, 1):
            watch.see(torch.tensor(loss, dtype=torch.float64), update)
        assert watch.update == plain(losses, 1.2)
        seen.add(watch.update is None)
    assert seen == {True, False}
