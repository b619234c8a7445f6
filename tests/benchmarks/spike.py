"""torch's own Adam with l2 in a plain loop, on the windows of a run that counts as diverged.

    python -m tests.benchmarks.spike DATA

DATA is where `wdbench prepare text` has prepared novels. Training losses of the last updates, in
float32 and float64; `results/evidence/README.md` has those of the run.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from lm.config import Recipe
from lm.gpt import GPT
from lm.window_data import WindowData

SEED, DECAY, UPDATES, SHOWN = 2, 2e-3, 54, 9
RECIPE = Recipe(
    data="novels",
    tokens="characters",
    vocabulary=0,
    rounds=10,
    layers=2,
    heads=2,
    width=64,
    context=64,
    learning_rate=3e-3,
    warm_up=100,
    batch_size=32,
    accumulate=1,
)


def losses(data: WindowData, dtype: torch.dtype) -> Iterator[float]:
    """Of each update, in nats."""
    torch.manual_seed(SEED)
    shape = RECIPE.context, RECIPE.layers, RECIPE.heads, RECIPE.width
    model = GPT(data.prepared.vocabulary, *shape).to(dtype)
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": DECAY},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.Adam(groups, lr=1.0, betas=(RECIPE.beta1, RECIPE.beta2))
    for update in range(UPDATES):
        for group in optimizer.param_groups:
            group["lr"] = RECIPE.learning_rate * min(update / RECIPE.warm_up, 1)
        windows = data.update(update)[0]
        optimizer.zero_grad()
        logits = model(windows[:, :-1]).flatten(0, 1)
        loss = functional.cross_entropy(logits, windows[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, RECIPE.clip_norm)
        optimizer.step()
        yield loss.item()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data
    torch.set_num_threads(1)
    data = WindowData(RECIPE, folder, SEED, torch.device("cpu"))
    for dtype in (torch.float32, torch.float64):
        shown = list(losses(data, dtype))[-SHOWN:]
        print(dtype, f"updates {UPDATES - SHOWN + 1} to {UPDATES}:", *(f"{x:.3f}" for x in shown))


if __name__ == "__main__":
    main()
