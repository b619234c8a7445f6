"""On a GPU: the papers' formula in float64, and the diagnostics of the CPU."""

import numpy as np
import pytest
import torch

from shared_optim import WeightDecayAdam, WeightDecaySGD, observe_step
from shared_optim.adam import ADAM
from shared_optim.kernel import differs
from shared_optim.rule import Variant
from shared_optim.sgd import SGD
from shared_optim.triton_update import TritonUpdate
from tests.shared_optim.reference import noise, parameters, trajectory

pytestmark = pytest.mark.gpu

SHAPES = (300, 200), (17,), (1,)
MANY = *SHAPES, *((n,) for n in range(2, 14))  # more than are updated one by one
VARIANTS = [
    Variant(rule, rule.buffers[:kept], frozenset(flags))
    for rule, kept in ((ADAM, 2), (ADAM, 4), (SGD, 0), (SGD, 1))
    for flags in ((), ("once",), ("aligned",), ("once", "aligned"))
] + [Variant(SGD, SGD.buffers, frozenset({"once", "nesterov"}))]


def on(device, shapes=SHAPES):
    return [torch.nn.Parameter(p.detach().to(device)) for p in parameters(*shapes)]


@pytest.mark.parametrize("decay", [{}, {"l2": 0.1}, {"decoupled": 0.1}, {"separated": 0.1}])
@pytest.mark.parametrize(("shapes", "compile"), [(SHAPES, True), (MANY, True), (SHAPES, False)])
def test_the_optimizer_follows_the_formula(decay, shapes, compile):
    given = on("cuda", shapes)
    optimizer = WeightDecayAdam(given, lr=0.01, compile=compile, **decay)
    steps = [[g.float() for g in gradients] for gradients in noise(*shapes, steps=5)]
    for gradients in steps:
        for parameter, gradient in zip(given, gradients, strict=True):
            parameter.grad = gradient.cuda()
        optimizer.step()
    for place, start in enumerate(parameters(*shapes)):
        alone = [gradients[place].double().numpy() for gradients in steps]
        expected = trajectory(start.detach().double().numpy(), alone, lr=0.01, **decay)
        np.testing.assert_allclose(given[place].detach().cpu(), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("shapes", [SHAPES, [*MANY * 20, (2000, 1500)]], ids=["few", "many"])
def test_the_diagnostics_are_those_of_the_cpu(shapes):
    rows = {}
    for device in ("cpu", "cuda"):
        given = on(device, shapes)
        optimizer = WeightDecayAdam(given, lr=0.01, l2=0.1)
        for gradients in noise(*shapes, steps=3):
            for parameter, gradient in zip(given, gradients, strict=True):
                parameter.grad = gradient.float().to(device)
            report = observe_step(optimizer)
        rows[device] = report.metrics()
    assert rows["cuda"] == pytest.approx(rows["cpu"], rel=1e-3, nan_ok=True)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_the_triton_kernel_gives_the_bits_of_the_formula(variant):
    dtypes = (torch.float32, torch.float32, torch.float32)
    assert differs(TritonUpdate, torch.device("cuda"), dtypes, variant) == ""


@pytest.mark.parametrize("make", [WeightDecayAdam, WeightDecaySGD])
def test_a_plan_measures_the_steps_that_it_takes(make):
    shapes = [(300, 200), (17,), (1,), (5000,)]
    given = on("cuda", shapes)
    optimizer = make([{"params": given[:2], "l2": 0.1}, {"params": given[2:]}], lr=0.1)
    plan = optimizer.plan()
    groups = [[0, 3], [1]]
    assert plan.measure([[given[i] for i in group] for group in groups])
    for drawn in noise(*shapes, steps=3):
        before = [p.detach().cpu().double() for p in given]
        gradients = [gradient.float().cuda() for gradient in drawn]
        plan.apply(gradients, plan.coefficients().cuda())
        plan.advance()
        for found, group in zip(plan.products.tolist(), groups, strict=True):
            w = torch.cat([before[i].flatten() for i in group])
            u = torch.cat([given[i].detach().cpu().double().flatten() for i in group]) - w
            g = torch.cat([gradients[i].cpu().double().flatten() for i in group])
            assert found == pytest.approx([float(u @ u), float(w @ u), float(g @ g), float(w @ g)])


@pytest.mark.parametrize("compile", [True, False])
def test_a_captured_plan_replays_what_step_does(compile):
    """Bit for bit, with another learning rate and another step's coefficients at every replay."""
    options = {"l2": 0.1, "decoupled": 0.1, "separated": 0.1, "schedule": "late:2"}
    results = []
    for captured in (True, False):
        given = on("cuda")
        optimizer = WeightDecayAdam(given, lr=0.01, compile=compile, **options)
        gradients = [torch.zeros_like(p) for p in given]
        plan = optimizer.plan()
        table = plan.coefficients().cuda()
        graph = None
        for step, drawn in enumerate(noise(*SHAPES, steps=6)):
            for held, gradient in zip(gradients, drawn, strict=True):
                held.copy_(gradient)
            optimizer.param_groups[0]["lr"] = 0.01 / (1 + step)
            if not captured:
                for parameter, held in zip(given, gradients, strict=True):
                    parameter.grad = held
                optimizer.step()
                continue
            table.copy_(plan.coefficients())
            if step == 0:
                plan.apply(gradients, table)
            elif graph is None:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    plan.apply(gradients, table)
            if graph is not None:
                graph.replay()
            plan.advance()
        results.append([*given, *(optimizer.state[p]["decay_exp_avg"] for p in given)])
    assert all(map(torch.equal, *results))


def test_step_refuses_to_be_captured():
    given = on("cuda")
    optimizer = WeightDecayAdam(given)
    for parameter in given:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    with (
        pytest.raises(RuntimeError, match=r"capture the apply\(\) of plan\(\) instead"),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        optimizer.step()
