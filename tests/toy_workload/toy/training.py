"""Least squares by the suite's optimizer."""

import torch

from shared_optim import observe_step
from toy.workload import DISTANCE, LOSS
from workload.build_optimizer import build_optimizer
from workload.checkpoint import Checkpoint
from workload.member import Outcome
from workload.progress import Progress
from workload.trainer import prepare_torch

EPOCH, LOG_EVERY, EXAMPLES = 100, 10, {"few": 10, "many": 100}


def generate(data, seed):
    """Inputs [examples, 8], noisy targets [examples], and the weights [8] behind them."""
    random = torch.Generator().manual_seed(seed)
    inputs, weights = (torch.randn(size, generator=random) for size in ((EXAMPLES[data], 8), (8,)))
    return inputs, inputs @ weights + torch.randn(len(inputs), generator=random), weights


def train(recipe, member, log, machine, progress, stop):
    device = prepare_torch(machine)
    inputs, targets, truth = (part.to(device) for part in generate(recipe.data, member.seed))
    weights = torch.zeros(8, device=device, requires_grad=True)
    optimizer = build_optimizer(recipe, member, [("weights", weights)], updates_per_epoch=EPOCH)
    checkpoint, updates, stopping = Checkpoint(log), 0, stop()
    if state := checkpoint.resume():
        weights.data.copy_(state["weights"])
        optimizer.load_state_dict(state["optimizer"])
        updates = state["updates"]
    while updates < EPOCH * recipe.epochs and not stopping:
        optimizer.zero_grad()
        loss = (inputs @ weights - targets).square().mean() / 2
        loss.backward()
        updates, stopping = updates + 1, stop()
        row = {"updates": updates, LOSS.key: loss.item()}
        if not loss.isfinite():
            log.metrics(row | {"diverged": True})
            return Outcome("diverged")
        if updates % LOG_EVERY:
            optimizer.step()
        else:
            log.metrics(row | observe_step(optimizer).metrics())
        epoch, within = divmod(updates, EPOCH)
        if not within:
            distance = (weights.detach() - truth).norm().item()
            log.evaluation({"updates": updates, "epoch": epoch, DISTANCE.key: distance})
        if stopping or not within or not updates % machine.checkpoint_every:
            state = {"weights": weights.detach(), "optimizer": optimizer.state_dict()}
            checkpoint.save(state | {"updates": updates}, (epoch, within))
        progress(Progress(f"epoch {-(-updates // EPOCH)}/{recipe.epochs}", within or EPOCH, EPOCH))
    return Outcome("finished" if updates == EPOCH * recipe.epochs else "interrupted")
