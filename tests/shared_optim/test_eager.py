"""Our optimizers and torch.compile, in a process that has not imported it."""

import subprocess
import sys

import pytest

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
