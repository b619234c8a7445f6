"""Kernels are the formula to the last bit, safe in anybody's program, and compiled once."""

import gc
import os
import subprocess
import sys
import weakref

import pytest
import torch

from shared_optim import WeightDecayAdam, WeightDecaySGD, compiler, lambdas, native
from shared_optim.adam import ADAM
from shared_optim.rule import Variant
from shared_optim.schemes import SCHEMES, decaying
from shared_optim.sgd import SGD
from tests.shared_optim.reference import noise, parameters, train

SHAPES = (40, 30), (), (1,), (17,), (2, 3, 5)
POPULATION = {"l2": [0.1, 0.0, 0.0], "decoupled": [0.0, 0.2, 0.0], "separated": [0.0, 0.0, 0.3]}


def steps(compile, shapes, options, dtype=torch.float32, active=None, optimizer=WeightDecayAdam):
    given = parameters(*shapes, dtype=dtype)
    optimizer = optimizer(given, lr=0.01, compile=compile, **options)
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
        assert torch.equal(optimizer.state[theta]["exp_avg"], gradients[0].float())
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
    loaded = compiler.c_function.cache_info().misses
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
    assert compiler.c_function.cache_info().misses == loaded


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


@pytest.mark.slow
@pytest.mark.parametrize("clear", [torch.compiler.reset, torch._dynamo.reset_code_caches])
def test_clearing_the_caches_of_torch_compile_changes_nothing(clear):
    """Code without guards in torch's caches once left 192 of 256 weights where they were."""
    for n in (8, 8, 16):
        moved = steps(True, [(n, n)], {"decoupled": 0.1})[0]
        (start,) = parameters((n, n))
        assert (moved != start).all()
        clear()
        torch._dynamo.explain(torch.nn.Linear(2, 2))(torch.ones(1, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("rounding", ["once", "torch"])
@pytest.mark.parametrize(
    ("optimizer", "scheme", "options"),
    [
        *((WeightDecayAdam, scheme, {}) for scheme in SCHEMES),
        *((WeightDecaySGD, scheme, {"momentum": 0.9}) for scheme in ["none", *decaying("sgd")]),
        (WeightDecaySGD, "l2", {}),
        (WeightDecaySGD, "cautious", {"momentum": 0.9, "nesterov": True}),
    ],
)
def test_every_kernel_gives_the_bits_of_the_formula(optimizer, scheme, options, rounding, dtype):
    values = lambdas(scheme, 0.1, optimizer.rule.name) | options | {"rounding": rounding}
    compiled, eager = (
        steps(compile, SHAPES, values, dtype, optimizer=optimizer) for compile in (True, False)
    )
    assert all(map(torch.equal, compiled, eager))
    assert len(compiled) == len(eager)


def test_a_gradient_in_the_memory_of_a_weight_is_read_before_the_weight_changes():
    results = []
    for compile in (True, False):
        (memory,) = parameters((200,))
        memory = memory.detach()
        theta = torch.nn.Parameter(memory[:150])
        theta.grad = memory[50:]
        WeightDecayAdam([theta], lr=0.1, decoupled=0.1, compile=compile).step()
        results.append(memory)
    expected = parameters((200,))[0].detach()
    gradient = expected[50:].clone()
    # the first step of Adam is alpha times the gradient's sign, nearly
    expected[:150] -= 0.1 * (gradient / (gradient.abs() + 1e-8) + 0.1 * expected[:150])
    torch.testing.assert_close(results[0], expected)


def test_parameters_that_share_memory_are_updated_one_after_the_other():
    memory = torch.ones(4)
    pair = [torch.nn.Parameter(memory), torch.nn.Parameter(memory)]
    for parameter in pair:
        parameter.grad = torch.ones(4)
    WeightDecaySGD(pair, lr=0.25).step()
    assert torch.equal(memory, torch.full((4,), 0.5))


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.data.t(),
        lambda p: p.data[:3],
        lambda p: p.data.double(),
        lambda p: p.data.clone(memory_format=torch.preserve_format).t().contiguous().t(),
    ],
)
def test_a_parameter_whose_data_is_exchanged_is_updated_where_it_is_now(change):
    """Or refused in a sentence where its gradient or its buffers do not fit any more."""
    theta = torch.nn.Parameter(parameters((6, 6))[0].detach())
    optimizer = WeightDecaySGD([theta], lr=0.5, momentum=0.0)
    theta.grad = torch.ones(6, 6)
    optimizer.step()
    theta.grad = None
    theta.data = change(theta)
    before = theta.detach().clone()
    theta.grad = torch.arange(36.0).reshape(6, 6)[: theta.shape[0]].to(theta.dtype)
    gradient = theta.grad.clone()
    optimizer.step()
    assert torch.equal(theta, before - 0.5 * gradient)


def test_a_gradient_that_does_not_fit_exchanged_data_is_refused():
    theta = torch.nn.Parameter(torch.ones(6, 6))
    theta.grad = torch.ones(6, 6).t()
    optimizer = WeightDecayAdam([theta])
    theta.data = theta.data[:3]
    with pytest.raises(RuntimeError, match=r"gradient of shape \(6, 6\).*data exchanged"):
        optimizer.step()


def test_a_parameter_that_is_replaced_is_freed_with_its_buffers():
    """As in pruning and growing: another parameter takes the place and the state."""
    alive = []
    theta = torch.nn.Parameter(torch.ones(5))
    optimizer = WeightDecayAdam([theta], separated=0.1)
    for _ in range(5):
        theta.grad = torch.ones_like(theta)
        optimizer.step()
        alive += map(weakref.ref, [theta, *map(optimizer.state[theta].get, ADAM.buffers)])
        del optimizer.state[theta]
        optimizer.param_groups[0]["params"][0] = theta = torch.nn.Parameter(torch.ones(5))
    gc.collect()
    assert [ref() for ref in alive] == [None] * len(alive)


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
ours = [str(w.message) for w in caught if "operator by operator" in str(w.message)]
assert len(ours) == 1, ours
assert torch.equal(results[0], results[2]) and torch.equal(results[1], results[2])
print("same")
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["no-such-compiler", "false"])
def test_without_a_compiler_it_warns_once_and_runs_eagerly(tmp_path, command):
    path = "/usr/bin:/bin" if command == "false" else ""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "CC": command, "PATH": path}
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_COMPILER], env=environment, capture_output=True, text=True
    )
    assert result.stdout.strip() == "same", result.stderr


VARIANT = Variant(SGD, (), frozenset({"once"}))


@pytest.fixture
def compilations(tmp_path, monkeypatch):
    """The C sources that are compiled, with a cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled, done = compiler._compiled, []
    monkeypatch.setattr(
        compiler, "_compiled", lambda *given: [done.append(given), compiled(*given)][1]
    )
    return done


def load():
    """As a new process does; the library that is loaded steps from 1 to 1 - 0.5*0.25."""
    compiler.c_function.cache_clear()
    theta, gradient = torch.ones(1, 3), torch.full((1, 3), 0.25)
    update = native.CpuUpdate(VARIANT, [[theta]], [0], torch.float32)
    update([gradient], torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.5, 0.0, 1.0, 0.0, 1.0]]))
    assert torch.equal(theta, torch.full((1, 3), 0.875))


def test_the_second_process_finds_what_the_first_compiled(compilations, monkeypatch):
    load()
    load()
    assert len(compilations) == 1
    monkeypatch.setattr(compiler, "_processor", lambda: "flags: another processor's")
    load()
    assert len(compilations) == 2


@pytest.mark.parametrize("length", [0, 4, 1000, -1])
def test_a_library_that_is_not_whole_is_compiled_again(compilations, tmp_path, length):
    load()
    (kept,) = tmp_path.rglob("*.so")
    content = kept.read_bytes()
    kept.unlink()  # a file that is loaded must not be cut
    kept.write_bytes(content[:length])
    load()
    assert len(compilations) == 2
    assert compiler._kept(kept, 8) is not None


def test_a_cache_that_cannot_be_written_costs_a_compilation_and_nothing_else(
    compilations, tmp_path
):
    (tmp_path / "wdbench").write_text("a file where the folder would be")
    load()
    load()
    assert len(compilations) == 2


@pytest.mark.slow
def test_processes_that_compile_at_once_all_get_a_whole_library(tmp_path):
    script = "from tests.shared_optim.test_kernel import load; load()"
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    made = [subprocess.Popen([sys.executable, "-c", script], env=environment) for _ in range(2)]
    assert [process.wait() for process in made] == [0, 0]
    (kept,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert compiler._kept(kept, 8) is not None


MADE_INSIDE = """
import torch
from shared_optim import WeightDecayAdam, WeightDecaySGD

def trained(make):
    theta = torch.nn.Parameter(torch.arange(3.0))
    theta.grad = torch.ones(3)
    make([theta]).step()
    return theta.detach()

for make in (WeightDecayAdam, WeightDecaySGD):
    assert torch.equal(torch.compile(trained, backend="eager")(make), trained(make))
"""
"""For a process of its own: coverage puts objects into code that torch.compile cannot read."""


@pytest.mark.slow
def test_an_optimizer_may_be_made_inside_a_compiled_function():
    subprocess.run([sys.executable, "-c", MADE_INSIDE], check=True)


def test_training_uses_a_kernel_by_default():
    (theta,) = parameters((4,))
    optimizer = WeightDecayAdam([theta])
    train(optimizer, noise((4,), steps=1))
    (batch,) = optimizer._gathering._batches.values()
    assert isinstance(batch.update, native.CpuUpdate)
