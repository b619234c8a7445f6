import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rl.architecture import shapes
from rl.network import Weights, initial_parameters, q_values


def parameters_in_total(actions: int, padding: str) -> int:
    return sum(math.prod(shape) for shape in shapes(actions, padding).values())


@pytest.mark.parametrize(("padding", "expected"), [("same", 4_046_502), ("valid", 1_687_206)])
def test_has_the_published_number_of_parameters(padding, expected):
    assert parameters_in_total(6, padding) == expected


def reference_q(parameters, k, frames, padding):
    """The textbook network in float64: pad as TensorFlow does, divide the pixels, convolve."""
    p = {name: value[k].double() for name, value in parameters.items()}
    x = frames.double() / 255
    for name, stride in (("conv1", 4), ("conv2", 2), ("conv3", 1)):
        weight = p[f"{name}.weight"]
        if padding == "same":
            size, kernel = x.shape[-1], weight.shape[-1]
            total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            before, after = total // 2, total - total // 2
            x = F.pad(x, (before, after, before, after))
        x = torch.relu(F.conv2d(x, weight, p[f"{name}.bias"], stride))
    x = torch.relu(x.flatten(1) @ p["hidden.weight"].T + p["hidden.bias"])
    return x @ p["output.weight"].T + p["output.bias"]


def q_of(parameters, members, frames):
    own = {name: value[members] for name, value in parameters.items()}
    return q_values(Weights(own, torch.float32).values, frames[members])


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("block_size", [1, 3])
def test_q_values_equal_a_float64_network(padding, block_size):
    parameters = initial_parameters([3, 1, 2], 6, padding)
    for name, value in parameters.items():
        if name.endswith("bias"):
            value.uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(0))
    frames = torch.randint(0, 256, (3, 5, 4, 84, 84), dtype=torch.uint8)
    parts = range(0, 3, block_size)
    q = torch.cat([q_of(parameters, slice(k, k + block_size), frames) for k in parts])
    for k in range(3):
        expected = reference_q(parameters, k, frames[k], padding)
        torch.testing.assert_close(q[k].double(), expected, rtol=1e-4, atol=1e-5)


def test_bfloat16_q_values_are_near_float32():
    parameters = initial_parameters([0], 6, "valid")
    frames = torch.randint(0, 256, (1, 16, 4, 84, 84), dtype=torch.uint8)
    exact = q_values(Weights(parameters, torch.float32).values, frames)
    rough = q_values(Weights(parameters, torch.bfloat16).values, frames)
    # 8 bits of mantissa through five layers
    assert (exact - rough).abs().max() < 0.03 * exact.abs().max()


def test_initial_kernels_are_xavier_uniform_and_biases_zero():
    parameters = initial_parameters([7], 6, "same")
    for name, value in parameters.items():
        if name.endswith("bias"):
            assert not value.any()
            continue
        _, out, inputs, *field = value.shape
        bound = math.sqrt(6 / ((out + inputs) * math.prod(field)))
        assert value.abs().max() <= bound
        # the variance of U(-a, a) is a^2 / 3
        assert value.var().item() == pytest.approx(bound**2 / 3, rel=0.06)


def test_a_member_starts_alike_in_any_population():
    alone = initial_parameters([5], 4, "valid")
    together = initial_parameters([0, 5], 4, "valid")
    for name, value in alone.items():
        assert torch.equal(value[0], together[name][1])


def test_refresh_follows_the_parameters_and_a_frozen_copy_does_not():
    parameters = initial_parameters([0, 1], 4, "valid")
    frames = torch.randint(0, 256, (2, 2, 4, 84, 84), dtype=torch.uint8)
    online, target = (
        Weights(parameters, torch.float32),
        Weights(parameters, torch.float32, frozen=True),
    )
    before = q_values(target.values, frames)
    for value in parameters.values():
        value.mul_(1.5)
    online.refresh(parameters)
    fresh = q_values(Weights(parameters, torch.float32).values, frames)
    assert torch.equal(q_values(online.values, frames), fresh)
    assert torch.equal(q_values(target.values, frames), before)
    target.load(online.member(1), 1)
    assert torch.equal(q_values(target.values, frames)[1], fresh[1])
    assert torch.equal(q_values(target.values, frames)[0], before[0])


def test_members_of_different_seeds_start_differently():
    drawn = initial_parameters([0, 1], 4, "valid")["hidden.weight"]
    assert not np.allclose(drawn[0], drawn[1])
