"""Training a small GPT beside a plain loop as nanoGPT's.

    python -m tests.benchmarks.language [--rounds N] [--nanogpt FOLDER]

CPU time of one thread, in float32, 109 thousand parameters on characters, batches of 2,048 tokens;
the sides in turn round by round within one training:

* tokens per CPU second through Lightning, against a loop written after nanoGPT's train.py (random
  windows, torch's AdamW, clipping, alpha set by hand); with `--nanogpt` on the GPT of its model.py,
  of a clone of the user's, else on ours;
* with `--nanogpt` the same against its train.py itself, unchanged, in a process of its own, and its
  peak memory;
* a round with looks inside at their default cadence over one without;
* peak memory of a process that trains, against one with the loop;
* from the command to the first update, with the text prepared.
"""

import argparse
import builtins
import dataclasses
import importlib.util
import os
import pickle
import re
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lm.config import Recipe
from lm.data.prepare import prepare
from lm.gpt import GPT
from lm.module import LanguageModule
from lm.window_data import WindowData
from tests.benchmarks.epochs import Epochs
from tests.benchmarks.timing import Comparison, hardware, table
from workload.member import Member
from workload.trainer import fit

CPU = torch.device("cpu")
MEMBER = Member("decoupled", 0.1, 0)
CHARACTERS = 3_000_000
UPDATES = 50
LOG_EVERY = 100


def recipe(rounds: int) -> Recipe:
    return Recipe(
        data="text",
        tokens="characters",
        vocabulary=0,
        rounds=rounds,
        updates_per_round=UPDATES,
        layers=2,
        heads=2,
        width=64,
        context=64,
        learning_rate=3e-3,
        warm_up=10,
        batch_size=32,
        accumulate=1,
        evaluation_windows=1,
        log_every=10**9,
    )


def text(folder: Path) -> Path:
    """Random letters of 96: what they say does not matter to time."""
    letters = np.random.default_rng(0).integers(32, 128, CHARACTERS, dtype=np.uint8)
    file = folder / "text.txt"
    file.write_bytes(letters.tobytes())
    prepare(str(file), folder / "data")
    return folder / "data"


def model_of(own: Recipe, vocabulary: int, nanogpt: Path | None) -> Callable[[Any, Any], Any]:
    """A model that gives the loss of inputs and targets."""
    shape = {"n_layer": own.layers, "n_head": own.heads, "n_embd": own.width}
    if nanogpt is not None:
        spec = importlib.util.spec_from_file_location("nanogpt_model", nanogpt / "model.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["nanogpt_model"] = module
        spec.loader.exec_module(module)
        config = module.GPTConfig(
            **shape, block_size=own.context, vocab_size=vocabulary, bias=False, dropout=0.0
        )
        theirs = module.GPT(config)
        theirs.loss = lambda x, y: theirs(x, y)[1]
        return theirs
    ours: Any = GPT(vocabulary, own.context, own.layers, own.heads, own.width)
    ours.loss = lambda x, y: functional.cross_entropy(ours(x).flatten(0, 1), y.flatten())
    return ours


class PlainLoop:
    """Updates as nanoGPT's train.py takes them."""

    def __init__(self, own: Recipe, data: WindowData, nanogpt: Path | None) -> None:
        self.own, self.tokens = own, data.prepared.read("train")
        torch.manual_seed(0)
        self.model: Any = model_of(own, data.prepared.vocabulary, nanogpt)
        parameters = list(self.model.parameters())
        groups = [
            {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": 0.1},
            {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=own.learning_rate, betas=(0.9, 0.95))
        self.update, self.batch = 0, self._batch()

    def _batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        size, tokens = self.own.context, self.tokens
        starts = torch.randint(len(tokens) - size, (self.own.batch_size,))
        parts = [
            torch.stack(
                [torch.from_numpy(tokens[i + s : i + s + size].astype(np.int64)) for i in starts]
            )
            for s in (0, 1)
        ]
        return parts[0], parts[1]

    def __call__(self) -> None:
        """One round."""
        for _ in range(UPDATES):
            for group in self.optimizer.param_groups:
                group["lr"] = self.own.learning_rate * min(self.update / self.own.warm_up, 1)
            loss = self.model.loss(*self.batch)
            self.batch = self._batch()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.own.clip_norm)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.update += 1


def against_loop(own: Recipe, folder: Path, nanogpt: Path | None) -> Comparison:
    data = WindowData(own, folder, 0, CPU)
    module = LanguageModule(own, MEMBER, data)
    timed = Epochs(module, lambda _: None, PlainLoop(own, data, nanogpt))
    fit(module, timed, device=CPU, epochs=own.rounds, data=data)
    return Comparison(
        "tokens per CPU second / those of a loop as nanoGPT's",
        statistics.median(timed.ours[1:]),
        statistics.median(timed.other[1:]),
        at_least=1.0,
    )


def looks(own: Recipe, folder: Path) -> Comparison:
    """Every second round with as many looks as two rounds have at the default cadence."""
    data = WindowData(own, folder, 0, CPU)
    module = LanguageModule(own, MEMBER, data)

    def before(number: int) -> None:
        every = UPDATES if number % 2 else 10**9
        module.recipe = dataclasses.replace(own, log_every=every)

    timed = Epochs(module, before, None)
    fit(module, timed, device=CPU, epochs=own.rounds, data=data)
    plain = statistics.median(timed.ours[2::2])
    looking = statistics.median(timed.ours[3::2])
    share = UPDATES / LOG_EVERY
    return Comparison(
        "a round with looks inside / without",
        plain + share * (looking - plain),
        plain,
        at_most=1.03,
    )


def alone(side: str, folder: Path, nanogpt: Path | None, rounds: int = 3) -> tuple[float, float]:
    """Peak bytes of a process of its own that trains so many rounds in a way, and the CPU seconds
    of a round."""
    argv = [sys.executable, "-m", "tests.benchmarks.language", "--side", side]
    argv += ["--rounds", str(rounds), "--data", str(folder)]
    argv += ["--nanogpt", str(nanogpt)] if nanogpt else []
    out = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    peak, seconds = map(float, out.split()[-2:])
    return peak, seconds


def run_side(side: str, rounds: int, folder: Path, nanogpt: Path | None) -> None:
    own = recipe(rounds)
    data = WindowData(own, folder, 0, CPU)
    seconds: list[float] = []
    if side == "ours":
        module = LanguageModule(own, MEMBER, data)
        timed = Epochs(module, lambda _: None, None)
        fit(module, timed, device=CPU, epochs=own.rounds, data=data)
        seconds = timed.ours
    elif side == "loop":
        loop = PlainLoop(own, data, nanogpt)
        for _ in range(own.rounds):
            begin = time.process_time()
            loop()
            seconds.append(time.process_time() - begin)
    else:
        assert nanogpt is not None
        seconds = train_py(own, data, nanogpt)
    # not getrusage's, which counts the process that started this one
    status = Path("/proc/self/status").read_text()
    print(int(status.partition("VmHWM:")[2].split()[0]) * 1024, statistics.median(seconds[1:]))


def train_py(own: Recipe, data: WindowData, nanogpt: Path) -> list[float]:
    """CPU seconds of the rounds of nanoGPT's train.py, which logs at the end of each."""
    folder = data.prepared.folder.resolve()
    (folder / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": data.prepared.vocabulary}))
    sys.argv = ["train.py", "--device=cpu", "--dtype=float32", "--compile=False"]
    sys.argv += [f"--dataset={folder}", f"--out_dir={folder}", "--gradient_accumulation_steps=1"]
    sys.argv += [f"--batch_size={own.batch_size}", f"--block_size={own.context}"]
    sys.argv += [f"--n_layer={own.layers}", f"--n_head={own.heads}", f"--n_embd={own.width}"]
    sys.argv += ["--wandb_log=False", "--learning_rate=0.003", "--decay_lr=False"]
    sys.argv += [f"--log_interval={UPDATES}", "--eval_iters=1", "--eval_interval=1000000"]
    sys.argv += [f"--max_iters={UPDATES * own.rounds}"]
    os.chdir(nanogpt)
    sys.path.insert(0, str(nanogpt))
    ends: list[float] = []

    def note(*texts: object, **_: object) -> None:
        if str(texts[0]).startswith("iter "):
            ends.append(time.process_time())

    printed, builtins.print = builtins.print, note
    try:
        runpy.run_path("train.py")
    finally:
        builtins.print = printed
    return [float(each) for each in np.diff(ends)]


def against_train_py(folder: Path, nanogpt: Path, rounds: int) -> list[Comparison]:
    """Two processes of each side in turn."""
    found = [
        {side: alone(side, folder, nanogpt, rounds) for side in ("ours", "train.py")}
        for _ in range(2)
    ]

    def best(side: str, place: int) -> float:
        return min(each[side][place] for each in found)

    return [
        Comparison(
            "tokens per CPU second / those of nanoGPT's train.py",
            best("ours", 1),
            best("train.py", 1),
            at_least=1.0,
        ),
        Comparison(
            "peak memory / that of nanoGPT's train.py",
            best("ours", 0),
            best("train.py", 0),
            at_most=1.0,
        ),
    ]


def start(folder: Path) -> Comparison:
    """CPU seconds of a run of one update."""
    with tempfile.TemporaryDirectory() as place:
        argv = [sys.executable, "-m", "suite", "run", "lm", "--preset", "grammar-tiny"]
        argv += ["--data", "text", "--data-dir", str(folder), "--device", "cpu", "--threads", "1"]
        argv += ["--scheme", "none", "--rounds", "1", "--updates-per-round", "1", "--warm-up", "0"]
        argv += ["--runs", place]
        begin = os.times()
        subprocess.run(argv, check=True, capture_output=True)
        end = os.times()
    seconds = sum(end[2:4]) - sum(begin[2:4])
    return Comparison("CPU seconds of a run of one update / 1 s", seconds, 1.0, at_most=6.0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--nanogpt", type=Path, help="a clone, for its model.py and train.py")
    parser.add_argument("--side", choices=["ours", "loop", "train.py"], help="one side alone")
    parser.add_argument("--data", type=Path, help="of that side")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.side:
        run_side(options.side, options.rounds, options.data, options.nanogpt)
        return
    print(hardware())
    with tempfile.TemporaryDirectory() as place:
        folder, own = text(Path(place)), recipe(options.rounds)
        found = [against_loop(own, folder, options.nanogpt), looks(own, folder)]
        memory = [alone(side, folder, options.nanogpt)[0] for side in ("ours", "loop")]
        found.append(Comparison("peak memory / that of the loop", *memory, at_most=1.0))
        if options.nanogpt:
            found += against_train_py(folder, options.nanogpt.resolve(), options.rounds // 2)
        found.append(start(folder))
    print(table(found))
    speed = UPDATES * own.windows * own.context / found[0].ours
    print(re.sub(" +", " ", f"{speed:,.0f} tokens per CPU second"))


if __name__ == "__main__":
    main()
