"""Training a transformer on a GPU against fairseq's own trainer: target words per second.

    python -m tests.benchmarks.translation_gpu [--epochs N] [--updates N]

On the 17,651 real IWSLT'14 pairs (tests.benchmarks.real_pairs) with the iwslt14 preset: the same
weights and batches, from the CPU's memory to the step of the optimizer. The sides alternate in
chunks of updates, each ended by waiting for the GPU; medians of wall time. In the first epoch every
batch has a size that is new, and cuBLAS chooses its kernels; in the 49 that follow none is. bf16 is
compared with fairseq's fp16, its fastest. cuDNN's attention, which torch may prefer and which is
built anew for every size of a batch, is switched off for both. Diagnostics are timed as on a CPU.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from lightning.fabric.utilities import move_data_to_device

from nlp.batches import Batch
from nlp.config import Recipe
from nlp.data.corpus import Corpus
from nlp.module import TranslationModule
from shared_optim import observe_step
from tests.benchmarks.real_pairs import real_pairs
from tests.benchmarks.timing import gpu_seconds
from tests.nlp.fairseq_peer import fairseq_peer
from workload.member import Member

MEMBER = Member("decoupled", 1e-4, 1)
Update = Callable[[], float]  # returns the target words it has learned from


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--epochs", type=int, default=2, help="of 143 updates")
    parser.add_argument("--updates", type=int, default=12, help="per chunk")
    arguments = parser.parse_args()
    torch.backends.cuda.enable_cudnn_sdp(False)
    corpus = real_pairs(arguments.data_dir)
    sides = {
        "ours, bf16": ours(corpus, "bf16"),
        "ours, float32": ours(corpus, "float32"),
        "fairseq, fp16": theirs(corpus, ("--fp16",)),
        "fairseq, float32": theirs(corpus, ()),
    }
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    per_epoch = TranslationModule(recipe_of(corpus), MEMBER, corpus).batches.per_epoch
    for epoch in range(1, arguments.epochs + 1):
        seconds = alternate(sides, per_epoch, arguments.updates)
        for name, per_word in seconds.items():
            print(f"epoch {epoch}, {name:<17}{1 / per_word:>10,.0f} target words per second")
        for name, peer, bar in (("bf16", "fp16", ">= 1.5"), ("float32", "float32", "")):
            ratio = seconds[f"fairseq, {peer}"] / seconds[f"ours, {name}"]
            print(f"epoch {epoch}, {name} over {peer}: {ratio:.2f} {bar}", flush=True)
    diagnostics(corpus)


def alternate(sides: dict[str, Update], per_epoch: int, updates: int) -> dict[str, float]:
    """Seconds per target word of every side in its next epoch: medians over chunks of updates.

    The very first chunk, in which kernels are compiled, counts as one of many.
    """
    samples: dict[str, list[float]] = {name: [] for name in sides}
    for done in range(0, per_epoch, updates):
        for name, update in sides.items():
            torch.cuda.synchronize()
            start = time.perf_counter()
            words = sum(update() for _ in range(min(updates, per_epoch - done)))
            torch.cuda.synchronize()
            samples[name].append((time.perf_counter() - start) / words)
    return {name: statistics.median(values) for name, values in samples.items()}


def ours(corpus: Corpus, precision: str) -> Update:
    module = alone(corpus, precision)
    batches = endless(module)
    return lambda: train(module, next(batches))


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
    return Recipe(data=corpus.name, bpe=corpus.bpe, joined=corpus.joined, precision=precision)


def alone(corpus: Corpus, precision: str) -> TranslationModule:
    """The module on the GPU, without a Trainer."""
    module = TranslationModule(recipe_of(corpus, precision), MEMBER, corpus, prefetch=10).cuda()
    module.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    module.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
    return module


def endless(module: TranslationModule) -> Iterator[Batch]:
    while True:
        yield from module.train_dataloader()
        module.end_epoch()


def train(module: TranslationModule, batch: Batch) -> float:
    module.training_step(move_data_to_device(batch, module.device), 0)
    return batch["ntokens"]


def diagnostics(corpus: Corpus) -> None:
    """What one look inside costs, spread over the updates between two looks."""
    module = alone(corpus, "bf16")
    batches = endless(module)
    update = 1e3 * gpu_seconds(lambda: train(module, next(batches)), 30)
    for parameter in module.model.parameters():
        parameter.grad = torch.randn_like(parameter)
    plain = 1e3 * gpu_seconds(module.optimizer.step, 30)
    observed = 1e3 * gpu_seconds(lambda: observe_step(module.optimizer).metrics(), 30)
    between = module.recipe.log_every
    cost = 1 + (observed - plain) / (between * update)
    print(
        f"an update {update:.1f} ms, of that the optimizer's step {plain:.2f}; with a look inside "
        f"{observed:.1f}: every {between} updates {cost:.3f} <= 1.02"
    )


if __name__ == "__main__":
    main()
