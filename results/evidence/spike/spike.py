"""torch's own Adam with l2 in a plain loop, on the windows of a run that counts as diverged.

python results/evidence/spike/spike.py DATA    # the folder that `wdbench prepare text` has made
"""

import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from lm.config import Recipe
from lm.gpt import GPT
from lm.window_data import WindowData

SEED, DECAY, UPDATES = 2, 2e-3, 54

torch.set_num_threads(1)
recipe = Recipe(
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
data = WindowData(recipe, Path(sys.argv[1]), SEED, torch.device("cpu"))
for dtype in (torch.float32, torch.float64):
    torch.manual_seed(SEED)
    model = GPT(data.prepared.vocabulary, recipe.context, recipe.layers, recipe.heads, recipe.width)
    parameters = list(model.to(dtype).parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": DECAY},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.Adam(groups, lr=1.0, betas=(recipe.beta1, recipe.beta2))
    losses = []
    for update in range(UPDATES):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * min(update / recipe.warm_up, 1)
        windows = data.update(update)[0]
        optimizer.zero_grad()
        logits = model(windows[:, :-1]).flatten(0, 1)
        loss = functional.cross_entropy(logits, windows[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
        optimizer.step()
        losses.append(f"{loss.item():.3f}")
    print(dtype, "updates 46 to 54:", *losses[45:])
