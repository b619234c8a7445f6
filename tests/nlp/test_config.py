import math
import subprocess
import sys

import pytest
import torch

from nlp.config import Machine, Recipe, check_devices, learning_rate
from shared_optim import WeightDecayAdam
from workload.build_optimizer import scheduled
from workload.errors import ConfigError


def test_alpha_is_zero_at_first_peaks_after_the_warm_up_and_falls_as_the_inverse_square_root():
    alpha = learning_rate(Recipe(learning_rate=5e-4, warm_up=4000))
    assert alpha(0) == 0
    assert alpha(1000) == pytest.approx(1.25e-4)
    assert alpha(4000) == pytest.approx(5e-4)
    assert alpha(16000) == pytest.approx(2.5e-4)


@pytest.mark.slow
@pytest.mark.parametrize("warm_up", [0, 1, 400, 4000])
def test_alpha_has_the_bits_that_it_had_when_it_was_written_into_the_groups_by_hand(warm_up):
    """As every run so far: the peak first, then the fraction."""
    weight = torch.nn.Parameter(torch.zeros(1))
    recipe = Recipe(learning_rate=5e-4, warm_up=warm_up)
    for begun in (0, 3, 4100):
        optimizer = WeightDecayAdam([weight], lr=5e-4)
        scheduler = scheduled(optimizer, learning_rate(recipe), begun)
        for u in range(begun, begun + 1_000):
            if u < warm_up:
                by_hand = 5e-4 * u / warm_up
            else:
                by_hand = 5e-4 * math.sqrt(max(warm_up, 1) / max(u, 1))
            assert optimizer.param_groups[0]["lr"] == by_hand
            optimizer.step()
            scheduler.step()


def test_alpha_is_the_one_of_fairseq():
    pytest.importorskip("fairseq", reason="fairseq is not installed")
    from nlp.fairseq_model import quiet

    with quiet():
        from fairseq.optim.lr_scheduler.inverse_square_root_schedule import (
            InverseSquareRootLRScheduleConfig,
            InverseSquareRootSchedule,
        )
        from fairseq.optim.sgd import SGD
    from argparse import Namespace

    arguments = Namespace(lr=[3e-3], momentum=0.0, weight_decay=0.0)
    sgd = SGD(arguments, [torch.nn.Parameter(torch.zeros(1))])
    config = InverseSquareRootLRScheduleConfig(warmup_updates=400, lr=[3e-3])
    theirs = InverseSquareRootSchedule(config, sgd)
    recipe = Recipe(learning_rate=3e-3, warm_up=400)
    for updates in (0, 1, 7, 399, 400, 401, 5000):
        theirs.step_update(updates)
        assert learning_rate(recipe)(updates) == pytest.approx(sgd.get_lr(), rel=1e-12)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"max_tokens": 0}, "max_tokens: 0"),
        ({"dropout": 1.0}, "dropout: 1.0"),
        ({"width": 100, "heads": 4}, "width: 100"),
        ({"clip_norm": -1.0}, "clip_norm: -1.0"),
        ({"target": "de"}, "target: de"),
        ({"decay_schedule": "sometimes"}, "decay_schedule: 'sometimes'"),
        ({"label_smoothing": float("nan")}, "label_smoothing: nan"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(values, named):
    with pytest.raises(ConfigError, match=named):
        Recipe(**values)


def test_devices_that_cannot_share_an_update_are_refused():
    check_devices(Recipe(accumulate=4), Machine(devices=2))
    with pytest.raises(ConfigError, match="devices: 2 cannot share the 3 batches"):
        check_devices(Recipe(accumulate=3), Machine(devices=2))


def test_reading_the_configuration_imports_neither_torch_nor_fairseq():
    code = "import nlp.config, sys; sys.exit(bool({'torch', 'fairseq'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
