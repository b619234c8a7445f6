"""Compiled and uncompiled are the same optimizer, and compilation happens once."""

import os
import subprocess
import sys

import pytest
import torch
from torch._dynamo.utils import counters

from shared_optim import WeightDecayAdam, update
from tests.shared_optim.reference import noise, parameters, train

SHAPES = (40, 30), (), (1,), (17,), (2, 3, 5)
POPULATION = {"l2": [0.1, 0.0, 0.0], "decoupled": [0.0, 0.2, 0.0], "separated": [0.0, 0.0, 0.3]}


@pytest.fixture(autouse=True)
def narrow_kernels(monkeypatch):
    """Two parameters per call: quick to compile, and five parameters need padding."""
    monkeypatch.setattr(update, "WIDTH", 2)
    update.compiled_kernel.cache_clear()
    yield
    update.compiled_kernel.cache_clear()


def steps(compile, shapes, options, dtype=torch.float32, active=None):
    given = parameters(*shapes, dtype=dtype)
    optimizer = WeightDecayAdam(given, lr=0.01, compile=compile, **options)
    for gradients in noise(*shapes, steps=5):
        for parameter, gradient in zip(given, gradients, strict=True):
            parameter.grad = gradient.to(dtype)
        optimizer.step(active=active)
    return [
        *(p.detach() for p in given),
        *(value for p in given for key, value in optimizer.state[p].items() if key != "step"),
    ]


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        (torch.float32, {"l2": 0.1, "rounding": "torch", "maximize": True}),
        (torch.float32, {"l2": 0.1, "decoupled": 0.2, "separated": 0.3, "schedule": "late:2"}),
        (torch.bfloat16, {"separated": 0.3}),
    ],
)
def test_compiled_equals_eager_bit_for_bit(dtype, options):
    compiled, eager = (steps(compile, SHAPES, options, dtype) for compile in (True, False))
    for left, right in zip(compiled, eager, strict=True):
        assert torch.equal(left, right)


def test_gradients_of_another_dtype_are_read_as_what_they_are():
    results = []
    for compile in (True, False):
        (theta,) = parameters((100,), dtype=torch.bfloat16)
        theta.grad_dtype = torch.float32
        (gradients,) = noise((100,), steps=1)
        theta.grad = gradients[0].float()
        optimizer = WeightDecayAdam([theta], betas=(0.0, 0.999), compile=compile)
        optimizer.step()
        # Without momentum m is the gradient.
        assert torch.equal(optimizer.state[theta]["exp_avg"], gradients[0].float().bfloat16())
        results.append(theta.detach())
    assert torch.equal(*results)


def test_a_lazily_negated_gradient_keeps_its_sign():
    (theta,) = parameters((100,))
    theta.grad = torch.ones(100)._neg_view()
    optimizer = WeightDecayAdam([theta], betas=(0.0, 0.999))
    optimizer.step()
    assert torch.equal(optimizer.state[theta]["exp_avg"], -torch.ones(100))


def test_a_compiled_population_equals_eager_bit_for_bit():
    shapes = [(3, *shape) for shape in SHAPES]
    for active in (None, [True, False, True]):
        compiled, eager = (
            steps(compile, shapes, POPULATION, active=active) for compile in (True, False)
        )
        for left, right in zip(compiled, eager, strict=True):
            assert torch.equal(left, right)


def test_nothing_is_compiled_again_when_values_or_sizes_change():
    steps(True, [(3, *shape) for shape in SHAPES], POPULATION)
    graphs = counters["stats"]["unique_graphs"]
    given = parameters((3, 8), (3, 1), (3, 64, 33))
    optimizer = WeightDecayAdam(given, separated=[0.1, 0.2, 0.3])
    (group,) = optimizer.param_groups
    for t, gradients in enumerate(noise((3, 8), (3, 1), (3, 64, 33), steps=6)):
        group["lr"] = 0.1 / (t + 1)
        group["betas"] = (0.9 - 0.01 * t, 0.999)
        group["l2"] = [0.1 * t] * 3
        group["schedule"] = ["always", f"early:{t + 1}", "stuttered:2"]
        group["maximize"] = t % 2 == 0
        for parameter, gradient in zip(given, gradients, strict=True):
            parameter.grad = gradient.float()
        optimizer.step(active=[True, t % 2 == 0, False])
    assert counters["stats"]["unique_graphs"] == graphs
    assert update.compiled_kernel.cache_info().misses == 1


def test_the_number_of_threads_changes_nothing():
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(steps(True, [(300, 300)], {"separated": 0.3}))
        for left, right in zip(*results, strict=True):
            assert torch.equal(left, right)
    finally:
        torch.set_num_threads(before)


WITHOUT_COMPILER = """
import warnings
import torch
from shared_optim import WeightDecayAdam

torch.manual_seed(0)
start, gradient = torch.randn(5, 5), torch.randn(5, 5)
results = []
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for options in ({}, {}, {"compile": False}):
        theta = torch.nn.Parameter(start.clone())
        theta.grad = gradient
        WeightDecayAdam([theta], separated=0.1, **options).step()
        results.append(theta.detach())
ours = [str(w.message) for w in caught if "uncompiled" in str(w.message)]
assert len(ours) == 1, ours
assert torch.equal(results[0], results[2]) and torch.equal(results[1], results[2])
print("same")
"""


def test_without_a_compiler_it_warns_once_and_runs_eagerly(tmp_path):
    environment = {
        **os.environ,
        "CXX": str(tmp_path / "no-such-compiler"),
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache"),
    }
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_COMPILER], env=environment, capture_output=True, text=True
    )
    assert result.stdout.strip() == "same", result.stderr


def test_training_uses_the_compiled_update_by_default():
    (theta,) = parameters((4,))
    train(WeightDecayAdam([theta]), noise((4,), steps=1))
    assert update.compiled_kernel.cache_info().currsize == 1
