import pytest
import torch

from rl import network
from rl.dqn_update import dqn_update, td_loss
from rl.network import Weights, initial_parameters
from rl.replay import Batch
from tests.rl.test_network import reference_q


def some_batch(members, size, generator):
    frames = (members, size, 5, 84, 84)
    frames = torch.randint(0, 256, frames, dtype=torch.uint8, generator=generator)
    return Batch(
        frames[:, :, :4],
        frames[:, :, 1:],
        torch.randint(0, 6, (members, size), generator=generator),
        torch.randint(-1, 2, (members, size), generator=generator).float(),
        torch.where(torch.rand(members, size, generator=generator) < 0.3, 0.0, 0.99),
    )


@pytest.mark.parametrize(
    ("kind", "expected"), [("huber", (0.5 * 0.5**2 + (2 - 0.5)) / 2), ("squared", (0.25 + 4) / 2)]
)
def test_the_loss_by_hand(kind, expected):
    q = torch.tensor([[[1.0, 9.0], [9.0, 2.0]]])
    next_q = torch.tensor([[[1.0, -1.0], [7.0, 8.0]]])
    actions = torch.tensor([[0, 1]])
    # targets: 1 + 0.5 * 1 = 1.5 against 1; ended: 0 against 2
    rewards, discounts = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.0]])
    assert td_loss(q, next_q, actions, rewards, discounts, kind).item() == pytest.approx(expected)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kind", ["huber", "squared"])
@pytest.mark.parametrize("convolved", [network._convolved, network._convolved_as_patches])
def test_gradients_equal_a_plain_float64_loop(monkeypatch, padding, kind, convolved):
    """With the convolutions of either device."""
    monkeypatch.setattr(network, "_convolved", convolved)
    generator = torch.Generator().manual_seed(1)
    parameters = initial_parameters([0, 1], 6, padding)
    target = initial_parameters([2, 3], 6, padding)
    batch = some_batch(2, 4, generator)
    result = dqn_update(
        Weights(parameters, torch.float32).values,
        Weights(target, torch.float32, frozen=True).values,
        batch,
        kind,
    )
    for k in range(2):
        p = {n: v[k : k + 1].double().requires_grad_() for n, v in parameters.items()}
        loss = 0.0
        for i in range(4):
            q = reference_q(p, 0, batch.state[k, i : i + 1], padding)[0, batch.actions[k, i]]
            best = reference_q(target, k, batch.next_state[k, i : i + 1], padding).max()
            error = batch.rewards[k, i] + batch.discounts[k, i].double() * best - q
            if kind == "squared":
                loss = loss + error**2 / 4
            else:
                small = error.abs() <= 1
                loss = loss + torch.where(small, error**2 / 2, error.abs() - 0.5) / 4
        loss.backward()
        assert result.loss[k].item() == pytest.approx(loss.item(), rel=1e-5)
        for name, value in p.items():
            torch.testing.assert_close(
                result.gradients[name][k].double(), value.grad[0], rtol=2e-3, atol=2e-6
            )
