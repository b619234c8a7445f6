"""Learning rates against torch's own schedulers, tables worked out by hand, and plain sums."""

import math
import pickle
import subprocess
import sys

import pytest
import torch
from torch.optim import lr_scheduler

from shared_optim.learning_rates import (
    Constant,
    Cosine,
    Exponential,
    InverseSquareRoot,
    Steps,
    WarmUpStableDecay,
    parse_learning_rate,
)
from tests.shared_optim.reference import named

EACH = [
    Constant(),
    Constant(warm_up=7, peak=0.3),
    InverseSquareRoot(),
    InverseSquareRoot(warm_up=9, peak=5e-4),
    Cosine(40),
    Cosine(40, 0.1, warm_up=11, peak=2.0),
    Exponential(0.97, 6),
    Exponential(0.5, 1, warm_up=8),
    Steps(0.1, (12, 30)),
    Steps(0.3, (0, 5, 31), warm_up=13, peak=0.1),
    WarmUpStableDecay(40, 40),
    WarmUpStableDecay(40, 15, 0.2, warm_up=10, peak=3.0),
]


def rates(scheduler_of, updates, lr=1.0):
    """The learning rates that a scheduler of torch's gives to the first updates."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr)
    scheduler = scheduler_of(optimizer)
    found = []
    for _ in range(updates):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Constant(), lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
        (
            Constant(warm_up=10),
            lambda o: lr_scheduler.LinearLR(o, start_factor=1e-12, total_iters=10),
        ),
        (Cosine(50), lambda o: lr_scheduler.CosineAnnealingLR(o, 50)),
        (Cosine(50, 0.1), lambda o: lr_scheduler.CosineAnnealingLR(o, 50, eta_min=0.1)),
        (Exponential(0.97, 1), lambda o: lr_scheduler.ExponentialLR(o, 0.97)),
        (Exponential(0.97, 6), lambda o: lr_scheduler.StepLR(o, 6, 0.97)),
        (Steps(0.1, (12, 30)), lambda o: lr_scheduler.MultiStepLR(o, [12, 30], 0.1)),
        (
            WarmUpStableDecay(50, 50),
            lambda o: lr_scheduler.LinearLR(o, 1.0, end_factor=0.0, total_iters=50),
        ),
        (WarmUpStableDecay(50, 50), lambda o: lr_scheduler.PolynomialLR(o, 50, power=1.0)),
    ],
    ids=named,
)
def test_shapes_are_those_of_torchs_schedulers(ours, theirs):
    assert [ours(u) for u in range(50)] == pytest.approx(rates(theirs, 50), rel=1e-9, abs=1e-11)


def test_the_inverse_square_root_is_halved_by_four_times_the_updates():
    f = InverseSquareRoot(warm_up=4_000, peak=5e-4)
    assert [f(u) for u in (0, 1_000, 4_000, 16_000)] == [0, 1.25e-4, 5e-4, 2.5e-4]
    assert [InverseSquareRoot()(u) for u in (0, 1, 4, 16)] == [1, 1, 0.5, 0.25]


@pytest.mark.parametrize("f", EACH, ids=named)
def test_a_warm_up_begins_at_zero_and_meets_what_follows_at_its_end(f):
    if not f.warm_up:
        assert f(0) == f.peak * f.shape(0)
        return
    rising = [f(u) for u in range(f.warm_up)]
    assert rising == pytest.approx([f.peak * u / f.warm_up for u in range(f.warm_up)])
    assert rising[0] == 0
    # with steps before its end it goes on below the peak
    after = f.factor ** sum(at <= f.warm_up for at in f.at) if isinstance(f, Steps) else 1.0
    if not isinstance(f, Exponential):
        assert f(f.warm_up) == pytest.approx(f.peak * after)


def test_stable_and_decay_are_where_they_are_said_to_be():
    f = WarmUpStableDecay(updates=10, decay=4, final=0.2, warm_up=2, peak=10.0)
    expected = [0, 5, 10, 10, 10, 10, 10, 8, 6, 4, 2, 2]
    assert [f(u) for u in range(12)] == pytest.approx(expected)


@pytest.mark.parametrize("f", EACH, ids=named)
def test_totals_are_plain_sums(f):
    values = [f(u) for u in range(60)]
    for start in range(0, 60, 3):
        for stop in range(0, 60, 7):
            expected = math.fsum(values[start:stop])
            assert f.total(start, stop) == pytest.approx(expected, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("f", EACH, ids=named)
def test_functions_can_be_pickled_and_compared(f):
    assert pickle.loads(pickle.dumps(f)) == f
    assert hash(f) == hash(pickle.loads(pickle.dumps(f)))


@pytest.mark.parametrize("f", EACH, ids=named)
def test_torchs_lambda_lr_takes_them_and_its_state_goes_on(f):
    def made():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.25)
        return optimizer, lr_scheduler.LambdaLR(optimizer, f)

    optimizer, scheduler = made()
    found = []
    for update in range(30):
        if update == 17:
            saved = optimizer.state_dict(), scheduler.state_dict()
            optimizer, scheduler = made()
            optimizer.load_state_dict(saved[0])
            scheduler.load_state_dict(saved[1])
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert found == [0.25 * f(u) for u in range(30)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("constant", Constant(warm_up=5, peak=0.1)),
        ("inverse_sqrt", InverseSquareRoot(warm_up=5, peak=0.1)),
        ("cosine", Cosine(1_000, 0.0, warm_up=5, peak=0.1)),
        ("cosine:0.1", Cosine(1_000, 0.1, warm_up=5, peak=0.1)),
        ("exponential:0.97", Exponential(0.97, 100, warm_up=5, peak=0.1)),
        ("steps:0.1@50", Steps(0.1, (50,), warm_up=5, peak=0.1)),
        ("steps:1e-4@3epochs,500", Steps(1e-4, (300, 500), warm_up=5, peak=0.1)),
        ("wsd:2epochs", WarmUpStableDecay(1_000, 200, 0.0, warm_up=5, peak=0.1)),
        ("wsd:150:.05", WarmUpStableDecay(1_000, 150, 0.05, warm_up=5, peak=0.1)),
    ],
)
def test_recipes_name_them(text, expected):
    lengths = {"updates": 1_000, "updates_per_epoch": 100}
    assert parse_learning_rate(text, **lengths, warm_up=5, peak=0.1) == expected


@pytest.mark.parametrize(
    "text",
    ["", "linear", "constant:1", "cosine:", "cosine:x", "exponential", "steps:0.1", "steps:0.1@",
     "steps:0.1@5,", "steps:0.1@0", "wsd", "wsd:0", "wsd:5epoch", "cosine\n", "cosine:-1"],
)  # fmt: skip
def test_any_other_text_is_refused_with_what_is_allowed(text):
    with pytest.raises(ValueError, match="none of constant, inverse_sqrt, cosine"):
        parse_learning_rate(text, updates=10, updates_per_epoch=5)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Constant(warm_up=-1), "warm_up: -1"),
        (lambda: Constant(peak=0.0), "peak: 0.0"),
        (lambda: Constant(peak=math.nan), "peak: nan"),
        (lambda: Cosine(5, warm_up=5), "updates: 5"),
        (lambda: Cosine(5, 1.5), "final: 1.5"),
        (lambda: Exponential(1.1, 5), "factor: 1.1"),
        (lambda: Exponential(0.9, 0), "every: 0"),
        (lambda: Steps(0.1, ()), r"at: \(\)"),
        (lambda: Steps(0.1, (5, 5)), r"at: \(5, 5\)"),
        (lambda: Steps(2.0, (5,)), "factor: 2.0"),
        (lambda: WarmUpStableDecay(10, 6, warm_up=5), "decay: 6"),
        (lambda: WarmUpStableDecay(10, 0), "decay: 0"),
        (lambda: WarmUpStableDecay(10, 5, 2.0), "final: 2.0"),
    ],
)
def test_numbers_out_of_range_are_named(make, named):
    with pytest.raises(ValueError, match=named):
        make()


def test_importing_them_imports_no_torch():
    code = "import shared_optim.budget, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
