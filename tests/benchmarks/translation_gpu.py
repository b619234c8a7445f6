"""Training a transformer on a GPU against fairseq's own trainer: target words per second.

    python -m tests.benchmarks.translation_gpu [--epochs N] [--sides NAME,NAME] [--parts NAME,NAME]

On the 17,651 real IWSLT'14 pairs (tests.benchmarks.real_pairs) with the iwslt14 preset: the same
weights and batches, from the CPU's memory to the step of the optimizer. The sides alternate in
chunks of updates, each ended by waiting for the GPU; wall time over all chunks of an epoch. In the
first epoch every shape is new: cuBLAS chooses its kernels, graphs are captured. What the 49 that
follow are like is said by the later ones. bf16 is compared with fairseq's fp16, its fastest.
cuDNN's attention, which torch may prefer and which is built anew for every size of a batch, is
switched off for both. `graphs` insists on captured programs, and is left out, with the reason,
where they have not proved equal; `eager` has none.

`--parts sides,anatomy,diagnostics`: the table; what an update by graphs is made of; what looking
inside costs.
"""

import argparse
import dataclasses
import itertools
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from lightning.fabric.utilities import move_data_to_device

from nlp.batches import Batch
from nlp.config import Recipe
from nlp.data.corpus import Corpus
from nlp.module import TranslationModule
from nlp.programs import batch_shape
from shared_optim import observe_step
from tests.benchmarks.real_pairs import real_pairs
from tests.benchmarks.timing import gpu_seconds
from tests.nlp.fairseq_peer import fairseq_peer
from workload.errors import ConfigError
from workload.member import Member

MEMBER = Member("decoupled", 1e-4, 1)
SIDES = (
    "ours bf16 graphs",
    "ours float32 graphs",
    "ours bf16 eager",
    "fairseq fp16",
    "fairseq float32",
)
PARTS = ("sides", "anatomy", "diagnostics")
BARS = (
    ("ours bf16 graphs", "fairseq fp16", ">= 1.5, 3 is the aim"),
    ("ours float32 graphs", "fairseq float32", ""),
    ("ours bf16 graphs", "ours bf16 eager", ""),
)
Update = Callable[[], float]  # returns the target words it has learned from


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--epochs", type=int, default=3, help="of 143 updates")
    parser.add_argument("--updates", type=int, default=24, help="per chunk")
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--parts", default=",".join(PARTS))
    arguments = parser.parse_args()
    torch.backends.cuda.enable_cudnn_sdp(False)
    corpus = real_pairs(arguments.data_dir)
    say(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    parts = arguments.parts.split(",")
    if "sides" in parts:
        table(corpus, arguments.sides.split(","), arguments.epochs, arguments.updates)
    if "anatomy" in parts:
        for precision in ("bf16", "float32"):
            try:
                anatomy(corpus, precision)
            except ConfigError as error:
                say(f"{precision}: {error}")
    if "diagnostics" in parts:
        diagnostics(corpus)


def say(line: str) -> None:
    print(line, flush=True)


def table(corpus: Corpus, names: list[str], epochs: int, updates: int) -> None:
    sides = {}
    for name in names:
        try:
            sides[name] = make(corpus, name)
        except ConfigError as error:  # what the graphs of this side were found to get wrong
            say(f"{name}: {error}")
    per_epoch = TranslationModule(recipe_of(corpus), MEMBER, corpus).batches.per_epoch
    for epoch in range(1, epochs + 1):
        rates = alternate(sides, per_epoch, updates)
        for name, rate in rates.items():
            say(f"epoch {epoch}, {name:<20}{rate:>10,.0f} target words per second")
        for ours, theirs, bar in BARS:
            if ours in rates and theirs in rates:
                say(f"epoch {epoch}, {ours} / {theirs}: {rates[ours] / rates[theirs]:.2f} {bar}")


def alternate(sides: dict[str, Update], per_epoch: int, updates: int) -> dict[str, float]:
    """Target words per second of every side in its next epoch."""
    seconds, words = dict.fromkeys(sides, 0.0), dict.fromkeys(sides, 0.0)
    for done in range(0, per_epoch, updates):
        for name, update in sides.items():
            torch.cuda.synchronize()
            start = time.perf_counter()
            words[name] += sum(update() for _ in range(min(updates, per_epoch - done)))
            torch.cuda.synchronize()
            seconds[name] += time.perf_counter() - start
    return {name: words[name] / seconds[name] for name in sides}


def make(corpus: Corpus, name: str) -> Update:
    whose, precision, *how = name.split()
    start = time.perf_counter()
    if whose == "fairseq":
        update = theirs(corpus, ("--fp16",) if precision == "fp16" else ())
    else:
        module = alone(corpus, precision, graphs=how == ["graphs"])
        batches = endless(module)

        def update() -> float:
            return train(module, next(batches))

    torch.cuda.synchronize()
    say(f"{name}: ready after {time.perf_counter() - start:.1f} s")
    return update


def theirs(corpus: Corpus, precision: tuple[str, ...]) -> Update:
    peer = fairseq_peer(corpus.folder, recipe_of(corpus), MEMBER.weight_decay, 1, precision)
    epochs = iter(lambda: peer.batches.next_epoch_itr(shuffle=True), None)
    batches = itertools.chain.from_iterable(epochs)

    def update() -> float:
        batch = next(batches)
        peer.step([batch])
        return batch["ntokens"]

    return update


def recipe_of(corpus: Corpus, precision: str = "float32") -> Recipe:
    return Recipe(data=corpus.name, **dataclasses.asdict(corpus.preparation), precision=precision)


def alone(corpus: Corpus, precision: str, *, graphs: bool) -> TranslationModule:
    """The module on the GPU, without a Trainer."""
    module = TranslationModule(recipe_of(corpus, precision), MEMBER, corpus).cuda()
    module.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    module.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
    module.use_graphs("on" if graphs else "off")
    return module


def endless(module: TranslationModule) -> Iterator[Batch]:
    while True:
        yield from module.train_dataloader()
        module.end_epoch()


def train(module: TranslationModule, batch: Batch) -> float:
    moved = batch if module.programs else move_data_to_device(batch, module.device)
    module.training_step(moved, 0)
    return batch["ntokens"]


def anatomy(corpus: Corpus, precision: str) -> None:
    """What an update by graphs takes: of the GPU, of the processor, of memory, for captures."""
    start = time.perf_counter()
    module = alone(corpus, precision, graphs=True)
    programs = module.programs
    assert programs is not None
    torch.cuda.synchronize()
    say(f"{precision}: model, shapes and proof {time.perf_counter() - start:.1f} s")
    seconds, number = Counter[str](), Counter[str]()
    for batch in itertools.islice(endless(module), 2 * module.batches.per_epoch):
        shape = programs.shapes.of(batch_shape(batch))
        how = "captured" if shape in programs.met else "called"
        how = "replayed" if shape in programs.replays else how
        torch.cuda.synchronize()
        start = time.perf_counter()
        train(module, batch)
        torch.cuda.synchronize()
        seconds[how] += time.perf_counter() - start
        number[how] += 1
    for how, total in seconds.items():
        each = 1e3 * total / number[how]
        say(f"{precision}: {number[how]} updates {how}, {total:.2f} s, {each:.2f} ms each")
    chosen = [*map(programs.shapes.of, module.batches.shapes())]
    ((frequent, times),) = Counter(chosen).most_common(1)
    place = chosen.index(frequent)
    batch = module.batches.at(place)
    programs.load(batch)
    gpu = milliseconds(lambda: programs.replay(frequent), 30)
    torch.cuda.synchronize()
    load = processor(lambda: programs.load(batch), 3)  # more would wait for the first
    torch.cuda.synchronize()
    whole = processor(lambda: (programs.begin(), programs.take(batch)), 3)
    say(
        f"{precision}: {tuple(frequent)}, {times} batches' shape: the GPU works {gpu:.2f} ms, "
        f"{1e3 * batch['ntokens'] / gpu:,.0f} words per second; the processor {load:.2f} ms to lay "
        f"a batch out, {whole:.2f} with the launch"
    )
    made = 1e3 * median(lambda: module.batches.at(place), 10)
    say(
        f"{precision}: such a batch is collated in {made:.2f} ms; {len(programs.replays)} graphs "
        f"of {len(programs.shapes.all)} shapes, "
        f"{torch.cuda.max_memory_reserved() / 2**30:.1f} GiB reserved at most"
    )


def milliseconds(call: Callable[[], object], times: int) -> float:
    """Of the GPU, by its own clock, for one of several calls in a row."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    call()
    start.record()
    for _ in range(times):
        call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / times


def processor(call: Callable[[], object], times: int) -> float:
    """Milliseconds of CPU time of this thread."""
    start = time.thread_time()
    for _ in range(times):
        call()
    return 1e3 * (time.thread_time() - start) / times


def median(call: Callable[[], object], times: int) -> float:
    samples = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def diagnostics(corpus: Corpus) -> None:
    """What one look inside costs, spread over the updates between two looks."""
    module = alone(corpus, "bf16", graphs=False)
    batches = endless(module)
    update = 1e3 * gpu_seconds(lambda: train(module, next(batches)), 30)
    for parameter in module.model.parameters():
        parameter.grad = torch.randn_like(parameter)
    plain = 1e3 * gpu_seconds(module.optimizer.step, 30)
    observed = 1e3 * gpu_seconds(lambda: observe_step(module.optimizer).metrics(), 30)
    between = module.recipe.log_every
    cost = 1 + (observed - plain) / (between * update)
    say(
        f"an update {update:.1f} ms, of that the optimizer's step {plain:.2f}; with a look inside "
        f"{observed:.1f}: every {between} updates {cost:.3f} <= 1.02"
    )


if __name__ == "__main__":
    main()
