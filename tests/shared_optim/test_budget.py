"""The decay budget against a plain sum, and against what decay does to a weight."""

import math

import pytest
import torch

from shared_optim import WeightDecayAdam, WeightDecaySGD, decay_budget
from shared_optim.learning_rates import (
    Constant,
    Cosine,
    Exponential,
    InverseSquareRoot,
    Steps,
    WarmUpStableDecay,
)
from shared_optim.schedules import multiplier
from tests.shared_optim.reference import named

RATES = [
    Constant(peak=0.1),
    InverseSquareRoot(warm_up=30, peak=5e-4),
    Cosine(200, 0.1, warm_up=20, peak=1e-3),
    Exponential(0.97, 13, peak=0.1),
    Steps(0.1, (50, 120), warm_up=60),
    WarmUpStableDecay(180, 70, warm_up=10),
    lambda update: 1 / (1 + update),
]
SCHEDULES = [
    "always",
    "early:50",
    "early:500",
    "late:50",
    "late:500",
    "stuttered:7",
    "skipped:7",
    "stuttered:300",
    lambda t: 1 / t,
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=named)
@pytest.mark.parametrize("rate", RATES, ids=named)
def test_it_is_the_plain_sum(rate, schedule):
    s = multiplier(schedule)
    for updates in (0, 1, 49, 50, 200):
        plain = math.fsum(rate(t - 1) * 0.03 * s(t) for t in range(1, updates + 1))
        assert decay_budget(rate, 0.03, updates, schedule) == pytest.approx(plain, rel=1e-10)


def test_late_decay_of_the_vision_recipe_holds_a_fifth_of_the_budget():
    """200 epochs of 391 updates, alpha .1*.97^epoch, lambda 5e-4, momentum .9: the budget is 6.5,
    and epochs 51 to 200 hold 21.6 % of it (geometric series, by hand)."""
    rate = Exponential(0.97, 391, peak=0.1)
    whole = decay_budget(rate, 5e-4, 200 * 391)
    late = decay_budget(rate, 5e-4, 200 * 391, f"late:{50 * 391}")
    by_hand = 0.1 * 5e-4 * 391 * (1 - 0.97**200) / (1 - 0.97)
    assert whole == pytest.approx(by_hand)
    assert whole / (1 - 0.9) == pytest.approx(6.50, abs=0.01)
    assert late / whole == pytest.approx(0.216, abs=0.0005)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_without_gradients_a_weight_falls_by_exp_of_the_budget(optimizer):
    """The product of 1 - alpha*lambda*s_t is exp(-budget) to first order in alpha*lambda."""
    rate, weight = Cosine(1_000, warm_up=100, peak=0.01), torch.nn.Parameter(torch.ones(1).double())
    make = WeightDecayAdam if optimizer == "adam" else WeightDecaySGD
    own = make([weight], lr=1.0, decoupled=0.1, schedule="early:600")
    scheduler = torch.optim.lr_scheduler.LambdaLR(own, rate)
    weight.grad = torch.zeros_like(weight)
    for _ in range(1_000):
        own.step()
        scheduler.step()
    budget = decay_budget(rate, 0.1, 1_000, "early:600")
    assert 0.3 < budget < 0.6
    assert -math.log(weight.item()) == pytest.approx(budget, rel=1e-3)


def test_a_schedule_in_epochs_is_refused():
    with pytest.raises(ValueError, match="early:5epochs counts epochs"):
        decay_budget(Constant(), 0.1, 10, "early:5epochs")
