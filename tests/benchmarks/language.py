"""Training a small GPT beside a plain loop as nanoGPT's.

    python -m tests.benchmarks.language [--rounds N] [--nanogpt FOLDER]

CPU time of one thread, in float32, 109 thousand parameters on characters, batches of 2,048 tokens;
the sides in turn round by round within one training:

* tokens per CPU second against a loop written after nanoGPT's train.py (random
  windows, torch's AdamW, clipping, alpha set by hand); with `--nanogpt` on the GPT of its model.py,
  of a clone of the user's, else on ours;
* a round with looks inside at their default cadence over one without;
* with `--nanogpt` tokens per CPU second against its train.py itself, unchanged, in a process of its
  own that takes its turns as well, and peak memory of both, here and of 10 million parameters: of
  the whole process, and beside what was imported;
* from the command to the first update, with the text prepared.
"""

import argparse
import dataclasses
import importlib.util
import json
import os
import pickle
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lm.config import Recipe
from lm.data.prepare import prepare
from lm.gpt import GPT
from lm.language_training import LanguageTraining
from lm.window_data import WindowData
from tests.benchmarks import nanogpt
from tests.benchmarks.asked import Asked
from tests.benchmarks.epochs import Epochs
from tests.benchmarks.timing import Comparison, hardware, table
from workload.member import Member
from workload.train_alone import by_updates

CPU = torch.device("cpu")
MEMBER = Member("decoupled", 0.1, 0)
CHARACTERS = 3_000_000
UPDATES = 10
"""Of a round: the shorter, the less a machine changes its pace between the sides."""
SIZES = {
    "small": {"layers": 2, "heads": 2, "width": 64, "context": 64, "batch_size": 32},
    "large": {"layers": 8, "heads": 4, "width": 320, "context": 64, "batch_size": 4},
}
"""Shapes of 109 thousand and 10 million parameters."""
LOG_EVERY = 100
PROCESSES = 3
GB = 1e-9  # bytes, of which `table` shows thousandths


def recipe(rounds: int, size: str = "small") -> Recipe:
    return Recipe(
        data="text",
        tokens="characters",
        vocabulary=0,
        rounds=rounds,
        updates_per_round=UPDATES,
        **SIZES[size],
        learning_rate=3e-3,
        warm_up=10,
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


def model_of(own: Recipe, vocabulary: int, clone: Path | None) -> Callable[[Any, Any], Any]:
    """A model that gives the loss of inputs and targets."""
    shape = {"n_layer": own.layers, "n_head": own.heads, "n_embd": own.width}
    if clone is not None:
        spec = importlib.util.spec_from_file_location("nanogpt_model", clone / "model.py")
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

    def __init__(self, own: Recipe, data: WindowData, clone: Path | None) -> None:
        self.own, self.tokens = own, data.prepared.read("train")
        torch.manual_seed(0)
        self.model: Any = model_of(own, data.prepared.vocabulary, clone)
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


def against_loop(own: Recipe, folder: Path, clone: Path | None) -> Comparison:
    data = WindowData(own, folder, 0, CPU)
    module = LanguageTraining(own, MEMBER, data)
    timed = Epochs(module, lambda _: None, PlainLoop(own, data, clone))
    timed.begin()
    by_updates(module, timed)
    return Comparison(
        "tokens per CPU second / those of a loop as nanoGPT's",
        statistics.median(timed.ours[1:]),
        statistics.median(timed.other[1:]),
        at_least=1.0,
    )


def looks(own: Recipe, folder: Path) -> Comparison:
    """Every second round with as many looks as two rounds have at the default cadence."""
    data = WindowData(own, folder, 0, CPU)
    module = LanguageTraining(own, MEMBER, data)

    def before(number: int) -> None:
        every = UPDATES if number % 2 else 10**9
        module.recipe = dataclasses.replace(own, log_every=every)

    timed = Epochs(module, before, None)
    timed.begin()
    by_updates(module, timed)
    plain = statistics.median(timed.ours[2::2])
    looking = statistics.median(timed.ours[3::2])
    share = UPDATES / LOG_EVERY
    return Comparison(
        "a round with looks inside / without",
        plain + share * (looking - plain),
        plain,
        at_most=1.03,
    )


@dataclasses.dataclass(frozen=True)
class Memory:
    """Of a process that trained.

    Attributes:
        imported: its peak bytes when everything was imported.
        peak: at its end.
    """

    imported: int
    peak: int

    @property
    def trained(self) -> int:
        """Bytes that training took beside what was imported."""
        return self.peak - self.imported


class TrainPy:
    """nanoGPT's train.py in a process of its own, on the same text and with the same settings;
    a call trains a round."""

    def __init__(self, folder: Path, clone: Path, own: Recipe) -> None:
        data = WindowData(own, folder, 0, CPU).prepared
        (data.folder / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": data.vocabulary}))
        settings = {
            "device": "cpu",
            "dtype": "float32",
            "compile": False,
            "wandb_log": False,
            "gradient_accumulation_steps": 1,
            "batch_size": own.batch_size,
            "block_size": own.context,
            "n_layer": own.layers,
            "n_head": own.heads,
            "n_embd": own.width,
            "learning_rate": own.learning_rate,
            "decay_lr": False,
            "eval_iters": 1,
            "eval_interval": 1_000_000,
        }
        argv = [sys.executable, str(Path(nanogpt.__file__).resolve()), str(clone.resolve())]
        argv += [str(data.folder.resolve()), str(own.rounds), str(UPDATES)]
        argv += [f"--{key}={value}" for key, value in settings.items()]
        self._process = Asked(argv)
        self.seconds = self._process.seconds

    def __call__(self) -> None:
        self._process.round()

    def ended(self) -> Memory:
        """After all rounds."""
        found = Memory(**json.loads(self._process.asked()))
        self._process.end()
        return found


def against_train_py(own: Recipe, folder: Path, clone: Path) -> Comparison:
    """Round by round; the pair of median ratio."""
    data = WindowData(own, folder, 0, CPU)
    module, theirs = LanguageTraining(own, MEMBER, data), TrainPy(folder, clone, own)
    timed = Epochs(module, lambda _: None, theirs)
    timed.begin()
    by_updates(module, timed)
    theirs.ended()
    pairs = sorted(zip(timed.ours[1:], theirs.seconds[1:], strict=True), key=lambda p: p[1] / p[0])
    ratios = [their / our for our, their in pairs]
    low, _, high = statistics.quantiles(ratios, n=4)
    print(f"train.py, quartiles of the ratios of {len(ratios)} rounds: {low:.3f} {high:.3f}")
    return Comparison(
        "tokens per CPU second / those of nanoGPT's train.py",
        *pairs[len(pairs) // 2],
        at_least=1.0,
    )


def memory_of_ours(folder: Path, size: str, looks: bool) -> Memory:
    argv = [sys.executable, "-m", "tests.benchmarks.language", "--alone", "--size", size]
    argv += ["--rounds", "2", "--data", str(folder), *(["--looks"] if looks else [])]
    out = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return Memory(**json.loads(out.splitlines()[-1]))


def train_alone(own: Recipe, folder: Path) -> None:
    """What `memory_of_ours` reads."""
    before = nanogpt.peak()
    data = WindowData(own, folder, 0, CPU)
    module = LanguageTraining(own, MEMBER, data)
    timed = Epochs(module, lambda _: None, None)
    timed.begin()
    by_updates(module, timed)
    print(json.dumps({"imported": before, "peak": nanogpt.peak()}))


def memory(folder: Path, clone: Path) -> Iterator[Comparison]:
    """Both sides in processes of their own, of two rounds; medians of some."""
    for size in SIZES:
        found: dict[str, list[Memory]] = {"theirs": [], "ours": [], "with looks": []}
        for _ in range(PROCESSES):
            train_py = TrainPy(folder, clone, recipe(2, size))
            for _ in range(2):
                train_py()
            found["theirs"].append(train_py.ended())
            found["ours"].append(memory_of_ours(folder, size, looks=False))
            found["with looks"].append(memory_of_ours(folder, size, looks=True))
        for kind, which in (("", "peak"), (" beside imports", "trained")):
            their, our, looking = (
                statistics.median(getattr(each, which) for each in side) * GB
                for side in found.values()
            )
            name = f"{size}: peak MB{kind}"
            yield Comparison(f"{name} / train.py's", our, their, at_most=1.0)
            yield Comparison(f"{name}, with looks / train.py's", looking, their)


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
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--nanogpt", type=Path, help="a clone, for its model.py and train.py")
    parser.add_argument("--alone", action="store_true", help="train here, and print the memory")
    parser.add_argument("--size", choices=SIZES, default="small", help="of what trains alone")
    parser.add_argument("--looks", action="store_true", help="inside what trains alone")
    parser.add_argument("--data", type=Path, help="of what trains alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.alone:
        own = recipe(options.rounds, options.size)
        every = UPDATES if options.looks else own.log_every
        train_alone(dataclasses.replace(own, log_every=every), options.data)
        return
    print(hardware())
    with tempfile.TemporaryDirectory() as place:
        folder, own = text(Path(place)), recipe(options.rounds)
        found = [against_loop(own, folder, options.nanogpt), looks(own, folder)]
        if options.nanogpt:
            found.append(against_train_py(own, folder, options.nanogpt))
            found += memory(folder, options.nanogpt)
        found.append(start(folder))
    print(table(found))
    speed = UPDATES * own.windows * own.context / found[0].ours
    print(re.sub(" +", " ", f"{speed:,.0f} tokens per CPU second"))


if __name__ == "__main__":
    main()
