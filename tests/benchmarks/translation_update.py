"""An update of the 3.5M-parameter translation model, at two revisions.

    python tests/benchmarks/translation_update.py BEFORE CORPUS AFTER CORPUS [--precision bf16]

BEFORE and AFTER are checkouts, each with the corpus folder that its own `prepare multi30k --bpe
5000` made (revisions differ in how they keep it). A process each, in turns, with freed memory kept
where a revision knows of it: the median CPU time of an update after three to warm up, page faults,
the most memory, and the norm of the weights at the end, which tells whether both did the same.
"""

import argparse
import dataclasses
import importlib
import itertools
import math
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

WARM_UP = 3
SHAPE = {"width": 192, "feed_forward": 512, "layers": 3, "max_tokens": 2048}


def first_of(*names: str) -> Any:
    """The first module that this revision has."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    return None


def updates(folder: Path, precision: str, count: int) -> str:
    """What the updates of this process took."""
    import torch

    from nlp.config import Recipe
    from nlp.module import TranslationModule

    torch.set_num_threads(1)
    corpus = first_of("nlp.data.corpus", "nlp.corpus").Corpus.open(folder)
    member = first_of("workload.member", "shared_optim.member").Member("decoupled", 1e-4, 1)
    prepared = {"bpe": 5000, "joined": True}
    if hasattr(corpus, "preparation"):
        prepared = dataclasses.asdict(corpus.preparation)
    recipe = Recipe(data=corpus.name, precision=precision, log_every=10**9, **prepared, **SHAPE)
    module = TranslationModule(recipe, member, corpus)
    module.manual_backward = lambda loss: loss.backward()
    module.log_dict = lambda *_, **__: None
    module.train()
    milliseconds, faults = [], []
    for i, batch in enumerate(itertools.islice(module.train_dataloader(), count + WARM_UP)):
        before = resource.getrusage(resource.RUSAGE_SELF)
        module.training_step(batch, i)
        after = resource.getrusage(resource.RUSAGE_SELF)
        used = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
        milliseconds.append(1e3 * used)
        faults.append(after.ru_minflt - before.ru_minflt)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    norm = math.hypot(*(float(p.detach().double().norm()) for p in module.model.parameters()))
    return (
        f"{statistics.median(milliseconds[WARM_UP:]):.1f} ms, "
        f"{statistics.mean(faults[WARM_UP:]):,.0f} page faults per update, {peak:.0f} MB at most, "
        f"weights {norm!r}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sides", nargs="+", type=Path, metavar="CHECKOUT CORPUS")
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--updates", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        if memory := first_of("workload.memory"):
            memory.keep_freed_memory()
        print(updates(options.sides[0], options.precision, options.updates))
        return
    pairs = list(zip(options.sides[::2], options.sides[1::2], strict=True))
    for _ in range(options.rounds):
        for checkout, corpus in pairs:
            argv = [sys.executable, __file__, "--side", str(corpus.absolute())]
            argv += ["--precision", options.precision, "--updates", str(options.updates)]
            place = os.environ | {"PYTHONPATH": str(checkout.absolute())}
            done = subprocess.run(argv, env=place, check=True, capture_output=True, text=True)
            print(f"{checkout.absolute().name:<10}", done.stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
