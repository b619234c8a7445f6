"""What docs/optimizer.md says, held to the registry and to measurements; its code is run."""

import doctest
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import shared_optim
from shared_optim import WeightDecayAdam, WeightDecaySGD, decay_budget, observe_step
from shared_optim.learning_rates import Cosine
from shared_optim.schemes import BASELINE, SCHEMES

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "optimizer.md"
TEXT = PAGE.read_text(encoding="utf-8")
ALPHA, LAMBDA, NOISE, SCALE, STEPS = 1e-4, 1e-2, 0.01, 0.05, 300


class Vision(nn.Module):
    """The model of the page's examples."""

    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.ones(1, 1, 4))
        self.pos_embed = nn.Parameter(torch.ones(1, 3, 4))
        self.body = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)

    def forward(self, inputs):
        return self.head(self.norm(self.body(inputs + self.cls_token + self.pos_embed))).mean(1)


def table(title):
    """The rows of a section's last table, cells stripped, without the two lines of its head."""
    section = TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = re.findall(r"^\|(.*)\|$", section, re.M)
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    start = max(i for i, row in enumerate(rows) if set(row[0]) == {"-"}) + 1
    return rows[start - 2], rows[start:]


def numbers(row):
    return [float(cell.removesuffix("%")) for cell in row[1:]]


def test_the_table_of_schemes_is_the_registry():
    _, rows = table("The schemes")
    expected = [
        [
            f"`{scheme.name}`",
            scheme.label,
            scheme.sentence,
            scheme.unit or ("" if scheme.name == BASELINE else "depends on the gradients"),
            ", ".join({"adam": "Adam", "sgd": "SGD"}[name] for name in scheme.optimizers),
            scheme.source,
        ]
        for scheme in SCHEMES.values()
    ]
    assert rows == expected


def test_every_scheme_stands_in_the_formulas():
    section = TEXT.split("\n## The formulas\n")[1].split("\n## ")[0]
    terms = {*section.replace("*", " ").replace("`", " ").split()}
    assert {"l2", "separated", "(decoupled", "corrected", "stable/sqrt(mean", "cautious"} <= terms
    assert all(name in section for name in SCHEMES if name != BASELINE)


def test_its_examples_run():
    torch.manual_seed(0)
    model = Vision()
    inputs, targets = torch.randn(5, 3, 4), torch.randn(5, 2)
    loss_function = nn.functional.mse_loss
    loss_function(model(inputs), targets).backward()
    space = {
        "torch": torch,
        "model": model,
        "batches": [(inputs, targets)] * 3,
        "loss_function": loss_function,
        "from_torch": shared_optim.from_torch,
        "to_torch": shared_optim.to_torch,
    }
    blocks = re.findall(r"^( *)```python\n(.*?)^ *```$", TEXT, re.M | re.S)
    assert len(blocks) == TEXT.count("```python") == 7
    for indent, block in blocks:
        code = "\n".join(line.removeprefix(indent) for line in block.splitlines()) + "\n"
        if ">>>" in code:
            example = doctest.DocTestParser().get_doctest(code, space, "page", str(PAGE), 0)
            assert doctest.DocTestRunner().run(example).failed == 0
        else:
            exec(compile(code, str(PAGE), "exec"), space)


def shrinkage(make, lam, steps=STEPS, scale=SCALE, alpha=None):
    """By which share of themselves weights fall per step because of lambda, under equal noise.

    Both trainings see the same gradients, so what differs is decay; the share is its projection on
    the weights at first.
    """
    torch.manual_seed(0)
    first = torch.randn(20_000) * scale
    found = []
    for value in (lam, 0.0):
        weight = nn.Parameter(first.clone())
        optimizer = make([weight], value)
        noise = torch.Generator().manual_seed(1)
        for t in range(steps):
            if alpha is not None:
                optimizer.param_groups[0]["lr"] = alpha(t)
            weight.grad = torch.randn(first.shape, generator=noise) * NOISE
            optimizer.step()
        found.append(weight.detach())
    return float((found[1] - found[0]) @ first / (first @ first)) / steps


def adam(scheme):
    return lambda p, lam: WeightDecayAdam(p, lr=ALPHA, **{scheme: lam})


def sgd(scheme):
    return lambda p, lam: WeightDecaySGD(p, lr=ALPHA, momentum=0.9, **{scheme: lam})


MEAN_SQUARE_OVER_MEAN = SCALE * (torch.pi / 2) ** 0.5  # of normal weights
CONVERSIONS = {
    "`proximal`": (adam("proximal"), LAMBDA),
    "`cautious`": (adam("cautious"), 2 * LAMBDA),
    "`stable`": (adam("stable"), LAMBDA * NOISE),
    "`l2` in Adam": (adam("l2"), LAMBDA * NOISE),
    "`separated`": (adam("separated"), LAMBDA * MEAN_SQUARE_OVER_MEAN),
    "`l2` in SGD": (sgd("l2"), LAMBDA * (1 - 0.9)),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_converted_lambda_decays_as_decoupled(name):
    _, rows = table("Which lambda means what")
    assert name in [row[0] for row in rows]
    make, lam = CONVERSIONS[name]
    decoupled = shrinkage(adam("decoupled"), LAMBDA)
    assert decoupled == pytest.approx(ALPHA * LAMBDA, rel=0.01)
    assert shrinkage(make, lam) == pytest.approx(decoupled, rel=0.06)


def test_corrected_has_the_budget_of_decoupled_with_its_converted_lambda():
    alpha = Cosine(STEPS, peak=ALPHA)
    ratio = ALPHA * alpha.total(0, STEPS) / sum(alpha(t) ** 2 for t in range(STEPS))
    assert 1.2 < ratio < 1.5
    falling = shrinkage(adam("corrected"), ratio * LAMBDA, alpha=alpha)
    assert falling == pytest.approx(shrinkage(adam("decoupled"), LAMBDA, alpha=alpha), rel=0.01)
    assert falling == pytest.approx(decay_budget(alpha, LAMBDA, STEPS) / STEPS, rel=0.01)


def test_the_conversions_are_of_all_schemes_that_differ():
    _, rows = table("Which lambda means what")
    named = {row[0].split("`")[1] for row in rows}
    assert named == set(SCHEMES) - {BASELINE, "decoupled"}


def test_decay_drowns_as_the_table_says():
    head, (drowned, shrink) = table('What "drowned" means')
    for lam, share, rate in zip(numbers(head), numbers(drowned), numbers(shrink), strict=True):
        assert shrinkage(adam("l2"), lam, 200, 1.0) == pytest.approx(rate, rel=0.03)
        torch.manual_seed(0)
        weight = nn.Parameter(torch.randn(20_000))
        optimizer = WeightDecayAdam([weight], lr=ALPHA, l2=lam)
        for _ in range(200):
            weight.grad = torch.randn(20_000) * NOISE
            report = observe_step(optimizer)
        assert 100 * report.metrics()["optim/drowned_fraction"] == pytest.approx(share, abs=1)


@pytest.mark.slow
def test_rounding_is_as_the_table_says():
    head, rows = table("Rounding")
    assert [row[0] for row in rows] == ['`rounding="once"`', '`rounding="torch"`']
    columns = zip(numbers(head), *map(numbers, rows), strict=True)
    for product, once, twice in columns:
        found = {}
        for name, dtype, rounding in (
            ("exact", torch.float64, "once"),
            ("once", torch.float32, "once"),
            ("torch", torch.float32, "torch"),
            ("none", torch.float64, "once"),
        ):
            torch.manual_seed(0)
            weight = nn.Parameter((torch.rand(20_000) + 0.5).to(dtype))
            lam = 0.0 if name == "none" else product / ALPHA
            optimizer = WeightDecayAdam([weight], lr=ALPHA, decoupled=lam, rounding=rounding)
            for _ in range(500):
                weight.grad = torch.randn(20_000).to(dtype)
                optimizer.step()
            found[name] = weight.detach().double().sum()
        exact = found["exact"] - found["none"]
        assert ((found["once"] - found["none"]) / exact) == pytest.approx(once, abs=0.02)
        assert ((found["torch"] - found["none"]) / exact) == pytest.approx(twice, abs=0.02)
