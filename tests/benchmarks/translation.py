"""Training a transformer against fairseq's own trainer: target words per CPU second.

    python -m tests.benchmarks.translation [CORPUS_FOLDER]

CORPUS_FOLDER is a prepared corpus such as data/multi30k/bpe-5000-joined, the default. Both sides
take the same batches with the same weights. bf16 is compared with fairseq's float32; what bf16 can
give on a processor is bounded by its matrix products, which stand beside it. The diagnostics are
compared with the updates between two looks at the preset's cadence. With width 8 the calls are
what takes time, as on a GPU that waits for them.
"""

import argparse
import dataclasses
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional as F

from nlp.attention import Attention, NativeAttention, attention_of
from nlp.batches import Batch
from nlp.config import Machine, Recipe
from nlp.data.corpus import Corpus
from nlp.dropout import dropout
from nlp.loss import by_operators
from nlp.module import TranslationModule
from nlp.native_loss import native_loss
from shared_optim import observe_step
from tests.benchmarks.timing import Comparison, compare, hardware, table
from tests.nlp.fairseq_peer import Peer, fairseq_peer
from workload.member import Member
from workload.trainer import prepare_torch

SMALL = {"width": 192, "feed_forward": 512, "layers": 3, "dropout": 0.1, "max_tokens": 2_048}
CALLS = {"width": 8, "heads": 1, "feed_forward": 8, "max_tokens": 64}  # calls and little else
PRECISIONS = (("float32", 1.0), ("bf16", 1.8))
DTYPES = (torch.float32, torch.bfloat16)
MEMBER = Member("decoupled", 1e-4, 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "corpus", nargs="?", type=Path, default=Path("data/multi30k/bpe-5000-joined")
    )
    folder = parser.parse_args().corpus
    prepare_torch(Machine(device="cpu"))
    corpus = Corpus.open(folder)
    comparisons = []
    for name, sizes, rounds in (("3.5M", SMALL, 20), ("36.7M", {}, 5)):
        recipe = Recipe(
            data=corpus.name, **dataclasses.asdict(corpus.preparation), warm_up=400, **sizes
        )
        comparisons += training(name, recipe, corpus, rounds)
        comparisons.append(diagnostics(name, recipe, corpus, rounds))
    calls = Recipe(data=corpus.name, **dataclasses.asdict(corpus.preparation), warm_up=400, **CALLS)
    comparisons += training("width 8", calls, corpus, 50, (("float32", None),))
    comparisons += [matrix_product(), *in_c()]
    print(hardware())
    print(table(comparisons))


def training(
    name: str, recipe: Recipe, corpus: Corpus, rounds: int, precisions=PRECISIONS
) -> list[Comparison]:
    """One update of ours in each precision against one of fairseq on the same batch."""
    peer = fairseq_peer(corpus.folder, recipe, MEMBER.weight_decay)
    comparisons = []
    for precision, bar in precisions:
        module = alone(dataclasses.replace(recipe, precision=precision), corpus)
        batches = list(itertools.islice(peer.batches.next_epoch_itr(shuffle=True), rounds + 1))
        ours, theirs = alternating(module, peer, batches)
        comparison = compare(
            f"{name}, {precision}", ours, theirs, at_least=bar, rounds=rounds, sample_seconds=0
        )
        comparisons.append(comparison)
    return comparisons


def alternating(
    module: TranslationModule, peer: Peer, batches: list[Batch]
) -> tuple[Callable[[], None], Callable[[], None]]:
    """An update of ours and one of fairseq's; both go through the batches in the same order.

    Neither keeps its gradients while the other works, whose memory would have to come from the
    system each time: fairseq drops them at the beginning of its next update.
    """
    for_ours, for_theirs = itertools.cycle(batches), itertools.cycle(batches)

    def theirs() -> None:
        peer.step([next(for_theirs)])
        peer.trainer.zero_grad()

    return lambda: module.training_step(next(for_ours), 0), theirs


def diagnostics(name: str, recipe: Recipe, corpus: Corpus, rounds: int) -> Comparison:
    """log_every updates of which one is observed, against as many that are not."""
    module = alone(recipe, corpus)
    batch = next(iter(module.train_dataloader()))
    module.training_step(batch, 0)
    update = median(lambda: module.training_step(batch, 0), rounds)
    for parameter in module.model.parameters():
        parameter.grad = torch.randn_like(parameter)
    plain = median(module.optimizer.step, rounds)
    observed = median(lambda: observe_step(module.optimizer).metrics(), rounds)
    between = Recipe().log_every if name != "3.5M" else 50  # as the presets have it
    total = between * update
    return Comparison(
        f"{name}, with diagnostics every {between}", total + observed - plain, total, at_most=1.02
    )


def matrix_product() -> Comparison:
    """What bf16 brings this processor: a product of [2048, 512] and [512, 1024]."""
    a, b = torch.randn(2048, 512), torch.randn(1024, 512)
    low_a, low_b = a.bfloat16(), b.bfloat16()
    linear = torch.nn.functional.linear
    return compare(
        "matrix product, bf16", lambda: linear(low_a, low_b), lambda: linear(a, b), at_least=1.8
    )


def in_c() -> list[Comparison]:
    """What an update has in C against the same by operators of torch's, in memory that is kept."""
    x = torch.randn(1920, 192)
    return [
        compare("dropout over torch's", lambda: dropout(x, 0.1), lambda: F.dropout(x, 0.1)),
        *(loss_over_operators(torch.randn(1900, 5032).to(dtype)) for dtype in DTYPES),
        *(attention_over_operators(dtype) for dtype in DTYPES),
    ]


def attention_over_operators(dtype: torch.dtype) -> Comparison:
    """Both ways, of 96 sentences of twenty words."""
    projected = torch.randn(20 * 96, 3 * 192).to(dtype).requires_grad_()
    of_result = torch.randn(20 * 96, 192).to(dtype)
    padding = torch.zeros(96, 20, dtype=torch.bool)
    native = attention_of(projected[:, :192], padding, 4, 20, dtype)
    if not isinstance(native, NativeAttention):
        raise SystemExit("no C compiler was found")

    def both_ways(attention: Attention) -> Callable[[], object]:
        return lambda: torch.autograd.grad(attention.within_source(projected), projected, of_result)

    operators = Attention(padding, 4, dtype)
    return compare(f"attention over operators, {dtype}", both_ways(native), both_ways(operators))


def loss_over_operators(logits: torch.Tensor) -> Comparison:
    """Both with the gradient."""
    target = torch.randint(logits.shape[1], (len(logits),))
    other = 0.1 / (logits.shape[1] - 1)
    if (native := native_loss(logits)) is None:
        raise SystemExit("no C compiler was found")
    return compare(
        f"loss over operators, {logits.dtype}",
        lambda: native(target, other, 0.9 - other, torch.empty_like(logits)),
        lambda: by_operators(logits, target, other, 0.9 - other, None, gradient=True),
    )


def alone(recipe: Recipe, corpus: Corpus) -> TranslationModule:
    """The module without a Trainer."""
    module = TranslationModule(recipe, MEMBER, corpus)
    module.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    module.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
    module.recipe = recipe.__class__(**{**recipe.__dict__, "log_every": 10**9})
    return module


def median(call, rounds: int) -> float:
    call()
    samples = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        samples.append(time.process_time() - start)
    return sorted(samples)[len(samples) // 2]


if __name__ == "__main__":
    main()
