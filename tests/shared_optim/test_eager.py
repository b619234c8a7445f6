"""Our optimizers and torch.compile, in a process that has not imported it."""

import subprocess
import sys
from typing import ClassVar

import pytest
import torch
from torch.optim.optimizer import Optimizer

from shared_optim import WeightDecayAdam

CODE = """
import sys
import torch
from shared_optim import WeightDecayAdam, observe_step

def training():
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    optimizer = WeightDecayAdam([weight], lr=0.1, separated=0.1)
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(2))]})
    def step():
        optimizer.zero_grad()
        (weight * weight).sum().backward()
        optimizer.step()
        return weight * 2
    return weight, optimizer, step

plain, optimizer, step = training()
step()
observe_step(optimizer)
optimizer.load_state_dict(optimizer.state_dict())
step()
assert "torch._dynamo" not in sys.modules

one, _, step = training()
other, _, compiled = training()
compiled = torch.compile(compiled, backend="eager")
for _ in range(3):
    assert torch.equal(step(), compiled())
assert torch.equal(one, other)
assert "torch._dynamo" in sys.modules
"""
"""For a process of its own."""


@pytest.mark.slow
def test_it_is_not_imported_before_somebody_compiles_and_then_changes_nothing():
    subprocess.run([sys.executable, "-c", CODE], check=True, timeout=120)


class Told(Optimizer):
    """Somebody's, between ours and torch's."""

    def zero_grad(self, set_to_none=True):
        self.told.append("zero_grad")
        super().zero_grad(set_to_none)

    def state_dict(self):
        self.told.append("state_dict")
        return super().state_dict()

    def load_state_dict(self, state_dict):
        self.told.append("load_state_dict")
        super().load_state_dict(state_dict)


class Ours(WeightDecayAdam, Told):
    told: ClassVar[list[str]] = []


def test_methods_of_others_are_called_as_by_super():
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = Ours([weight], lr=0.1)
    weight.grad = torch.ones(2)
    optimizer.zero_grad()
    assert weight.grad is None
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.told == ["zero_grad", "state_dict", "load_state_dict"]
