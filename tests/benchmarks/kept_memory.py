"""An update of translation with freed memory kept for the next one, and given back to the system.

    python -m tests.benchmarks.kept_memory [CORPUS_FOLDER] [--updates N] [--rounds N]

CORPUS_FOLDER is a prepared corpus such as data/multi30k/bpe-5000-joined, the default. Each side is
a process of its own, in turns: CPU time and page faults of an update of the 3.5M-parameter model,
after three to warm up, and the process' peak of memory.
"""

import argparse
import itertools
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import torch

from nlp.config import Recipe
from nlp.data.corpus import Corpus
from nlp.module import TranslationModule
from tests.benchmarks.timing import hardware
from workload.member import Member
from workload.memory import keep_freed_memory

WARM_UP = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    folder = Path("data/multi30k/bpe-5000-joined")
    parser.add_argument("corpus", nargs="?", type=Path, default=folder)
    parser.add_argument("--updates", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", choices=("kept", "given back"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(side(arguments.corpus, arguments.updates, kept=arguments.side == "kept"))
        return
    print(hardware())
    for _ in range(arguments.rounds):
        for name in ("given back", "kept"):
            own = [str(arguments.corpus), "--updates", str(arguments.updates), "--side", name]
            command = [sys.executable, "-m", "tests.benchmarks.kept_memory", *own]
            print(f"{name:<10}", subprocess.check_output(command, text=True).strip(), flush=True)


def side(folder: Path, updates: int, *, kept: bool) -> str:
    torch.set_num_threads(1)
    if kept:
        keep_freed_memory()
    shape = {"width": 192, "feed_forward": 512, "layers": 3, "max_tokens": 2048}
    recipe = Recipe(data="multi30k", bpe=5000, joined=True, log_every=10**9, **shape)
    module = TranslationModule(recipe, Member("decoupled", 1e-4, 1), Corpus.open(folder))
    module.manual_backward = lambda loss: loss.backward()
    module.log_dict = lambda *_, **__: None
    module.train()
    milliseconds, faults = [], []
    for i, batch in enumerate(itertools.islice(module.train_dataloader(), updates + WARM_UP)):
        before = resource.getrusage(resource.RUSAGE_SELF)
        module.training_step(batch, i)
        after = resource.getrusage(resource.RUSAGE_SELF)
        used = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
        milliseconds.append(1e3 * used)
        faults.append(after.ru_minflt - before.ru_minflt)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{statistics.mean(milliseconds[WARM_UP:]):.0f} ms, "
        f"{statistics.mean(faults[WARM_UP:]):,.0f} page faults per update, {peak:.0f} MB at most"
    )


if __name__ == "__main__":
    main()
