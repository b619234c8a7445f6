"""Whether captured programs do what the plain path does, found out before any is used."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nlp.batches import Batch
from nlp.programs import Programs
from nlp.shapes import Shape
from shared_optim import WeightDecayAdam

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2}
"""Largest distance of two results, over their size. Where a kernel adds in no fixed order, or adds
for padding what is zero, results differ by rounding: on a processor 4e-7 in float32 and 3e-4 in
bfloat16, whose numbers have 8 bits, for the preset iwslt14; other kernels for other shapes may
round a hundred times as much. A program that misses its batch, a gradient or a step is off by about
1."""

Tensors = dict[tuple[str, str], Tensor]


def difference(
    programs: Programs,
    model: nn.Module,
    optimizer: WeightDecayAdam,
    batches: Sequence[Batch],
    plain: Callable[[Batch], tuple[Tensor, list[Tensor]]],
    dtype: torch.dtype,
) -> str | None:
    """What differs, in words, or None.

    Two updates, from the same state and with the same dropout, by a graph and by the calls that it
    was captured from; then, without dropout, the loss and the gradient of a padded batch against
    `plain`. Weights, optimizer and generators are afterwards as they were.

    Args:
        programs: of the model, in training.
        model, optimizer: that they change.
        batches: two of the same shape.
        plain: the loss and the gradients of a batch that is not padded, in the order of
            `model.parameters()`.
        dtype: of matrix products.
    """
    programs.begin()
    state = _State(programs.written(), optimizer)
    try:
        with _as_it_was(state, model, optimizer):
            # The step is then linear in the gradient. Adam's own is as large for a gradient that
            # is nothing but rounding, such as that of the keys' bias, as for any other.
            for group in optimizer.param_groups:
                group["lr"] = group["eps"] = 1.0
            called = _two_updates(programs, batches, programs.call, state)
            captured = _two_updates(programs, batches, programs.replay, state)
            largest = _largest(captured, called, state.before)
            if largest and not largest[0] <= TOLERANCE[dtype]:
                return f"as a graph, {_in_words(*largest)} from what its calls make it"
            state.put_back()
            model.eval()
            largest = _largest(*_padded_and_not(programs, model, batches[0], plain))
            if largest and not largest[0] <= TOLERANCE[dtype]:
                return f"with padding, {_in_words(*largest)} from what it is without"
    except RuntimeError as error:
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
    return None


class _State:
    """What programs change, with the steps that the optimizer has counted, as it is now."""

    def __init__(self, written: Tensors, optimizer: WeightDecayAdam) -> None:
        self._written, self.before = written, _copies(written)
        self._steps = [(state, state["step"]) for state in optimizer.state.values()]

    def now(self) -> Tensors:
        return _copies(self._written)

    @torch.no_grad()
    def put_back(self) -> None:
        for key, tensor in self._written.items():
            tensor.copy_(self.before[key])
        for state, step in self._steps:
            state["step"] = step


def _two_updates(
    programs: Programs, batches: Sequence[Batch], run: Callable[[Shape], None], state: _State
) -> Tensors:
    state.put_back()
    torch.manual_seed(1)
    for batch in batches:
        run(programs.load(batch))
    return state.now()


def _padded_and_not(
    programs: Programs,
    model: nn.Module,
    batch: Batch,
    plain: Callable[[Batch], tuple[Tensor, list[Tensor]]],
) -> tuple[Tensors, Tensors, Tensors]:
    names = [name for name, _ in model.named_parameters()]
    programs.take_gradients(batch)
    padded = _named(programs.sums[:1], names, [p.grad for p in model.parameters()])
    for parameter in model.parameters():
        parameter.grad = None
    loss, gradients = plain(batch)
    unpadded = _named(loss.detach()[None], names, gradients)
    return padded, unpadded, {key: torch.zeros_like(value) for key, value in unpadded.items()}


def _named(loss: Tensor, names: Sequence[str], gradients: Sequence[Any]) -> Tensors:
    named = {("gradient", name): g for name, g in zip(names, gradients, strict=True)}
    return {("sums", "the loss"): loss, **named}


def _largest(found: Tensors, reference: Tensors, before: Tensors) -> tuple[float, str, str] | None:
    """The largest distance of two results over how far the second came, and what it is of; None
    where all bits agree.

    What came less far than others of its kind, weight by weight, is measured by those: a gradient
    may be nothing but rounding.
    """
    if all(torch.equal(found[key], reference[key]) for key in reference):
        return None
    moved = {key: float((reference[key] - before[key]).norm()) for key in reference}
    largest = (0.0, "", "")
    for key in reference:
        alike = [each for each in reference if each[0] == key[0]]
        weights = sum(reference[each].numel() for each in alike)
        mean = math.sqrt(sum(moved[each] ** 2 for each in alike) / weights)
        size = max(moved[key], mean * math.sqrt(reference[key].numel()))
        apart = float((found[key].double() - reference[key].double()).norm())
        ratio = apart / size if size else math.copysign(math.inf, apart) if apart else 0.0
        if not ratio <= largest[0]:
            largest = (ratio, *key)
        if math.isnan(ratio):
            break
    return largest


def _in_words(ratio: float, kind: str, name: str) -> str:
    return f"{kind} of {name} differ by {ratio:.1e} of their size"


@contextmanager
def _as_it_was(state: _State, model: nn.Module, optimizer: WeightDecayAdam) -> Iterator[None]:
    """Afterwards all is, in the generators too."""
    kept = [(group, group["lr"], group["eps"]) for group in optimizer.param_groups]
    training, device = model.training, next(model.parameters()).device
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        state.put_back()
        for group, rate, eps in kept:
            group["lr"], group["eps"] = rate, eps
        model.train(training)


def _copies(tensors: Tensors) -> Tensors:
    return {key: tensor.detach().clone() for key, tensor in tensors.items()}
