"""Updates of the translation model as one program per shape of batch.

A program reads its batch, the optimizer's coefficients and 1/tokens from buffers that never move,
and decides nothing on the host, so that a GPU can be given it as a whole (`nlp.graphs`). Batches
are padded to the few shapes of `nlp.shapes`. Padding takes no part: padded words are masked or come
after every word that could see them, padded sentences have the end mark for a source, so that there
is something to attend to, and a target position that is padding has no loss.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from nlp.batches import Batch
from nlp.graphs import GraphPool
from nlp.loss import padded_cross_entropy
from nlp.shapes import Shape, Shapes
from nlp.transformer import Transformer
from shared_optim import WeightDecayAdam

_SLOTS = 3  # batches on their way to the device


class Programs:
    """The updates of a model, of which a graph is captured when a shape is met a second time: its
    first batch is learned from by calls, which is all the warm-up that a capture needs.

    Args:
        transformer: the model's forward pass, in training.
        optimizer: of all its parameters, on their device.
        shapes: those of the batches.
        task: fairseq's, for its dictionaries.
        smoothing: epsilon of the loss.
        whole: a program is an update of one batch, with the optimizer's step. Otherwise it adds
            its gradient to `gradients`, and whoever calls does the rest.
        graphs: what captures.

    Attributes:
        sums: float64 [4], on the device: loss, nll and target tokens of this update, and one place
            for the caller.
        met: shapes whose program has run.
        replays: of the shapes that have a graph.
    """

    def __init__(
        self,
        transformer: Transformer,
        optimizer: WeightDecayAdam,
        shapes: Shapes,
        task: Any,
        smoothing: float,
        *,
        whole: bool,
        graphs: GraphPool,
    ) -> None:
        self.shapes, self.whole = shapes, whole
        self._transformer, self._smoothing, self._graphs = transformer, smoothing, graphs
        self._optimizer, self._plan = optimizer, optimizer.plan()
        self._names = {parameter: name for name, parameter in transformer.model.named_parameters()}
        self._parameters: list[Tensor] = list(self._plan.parameters)
        device = self._parameters[0].device
        self._padding = task.target_dictionary.pad()
        self._source_padding = task.source_dictionary.pad()
        self._end = task.source_dictionary.eos()
        coefficients = self._plan.coefficients()
        words = max(_words(shape) for shape in shapes.all)
        self._slots = [_Slot(words, coefficients, device) for _ in range(_SLOTS)]
        self._words = torch.empty(words, dtype=torch.int64, device=device)
        numbers = torch.empty(coefficients.numel() + 1, device=device)
        self._numbers, self._scale = numbers, numbers[-1]
        self._coefficients = numbers[:-1].view_as(coefficients)
        self.sums = torch.zeros(4, dtype=torch.float64, device=device)
        self._sum = [] if whole else [torch.zeros_like(p) for p in self._parameters]
        self.met: set[Shape] = set()
        self.replays: dict[Shape, Callable[[], None]] = {}

    def begin(self) -> None:
        """A new update; nothing is summed yet."""
        self.sums.zero_()
        if self._sum:
            torch._foreach_zero_(self._sum)

    def take(self, batch: Batch) -> None:
        """Run the program of a batch. Unless it is the whole update, the parameters' `grad` is then
        the sum since `begin`."""
        shape = self.load(batch)
        if shape in self.met:
            self.replay(shape)
        else:
            self.call(shape)
        for parameter, gradient in zip(self._parameters, self._sum, strict=False):
            parameter.grad = gradient

    def take_gradients(self, batch: Batch) -> None:
        """Leave a batch's gradients in the parameters' `grad`, without a graph, without a step."""
        shape = self.load(batch)
        gradients: list[Tensor] = []
        self._graphs.call(lambda: gradients.extend(self._gradients(shape)))
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient

    def call(self, shape: Shape) -> None:
        """Run the program on what was loaded, launch by launch."""
        self._graphs.call(self._program(shape))
        self.met.add(shape)
        self._advance()

    def replay(self, shape: Shape) -> None:
        """The same as a graph."""
        if shape not in self.replays:
            self.replays[shape] = self._graphs.capture(self._program(shape))
        self.replays[shape]()
        self._advance()

    def load(self, batch: Batch) -> Shape:
        """Send a batch, padded to the shape returned, and what else an update needs."""
        inputs, target = batch["net_input"], batch["target"]
        sentences, length = target.shape
        tokens = batch["ntokens"]
        shape = self.shapes.of(batch_shape(batch))
        slot = self._slots[0]
        self._slots = [*self._slots[1:], slot]
        slot.wait()
        source, previous, rows, words = _views(slot.words, shape)
        source.fill_(self._source_padding)
        source[:sentences, shape.source - inputs["src_tokens"].shape[1] :] = inputs["src_tokens"]
        source[sentences:, -1] = self._end
        previous.fill_(self._padding)
        previous[:sentences, :length] = inputs["prev_output_tokens"]
        reference = torch.full((shape.target, shape.sentences), self._padding)
        reference[:length, :sentences] = target.t()
        reference = reference.flatten()  # [T*B], as the features lie
        counts = reference.ne(self._padding)
        rows[:tokens] = counts.nonzero().squeeze(1)
        # none twice: the gradients of rows are added to their places in no order
        rows[tokens:] = counts.logical_not_().nonzero().squeeze(1)[: shape.rows - tokens]
        torch.index_select(reference, 0, rows, out=words)
        used = _words(shape)
        self._words[:used].copy_(slot.words[:used], non_blocking=True)
        if self.whole:
            slot.numbers[:-1].view_as(self._coefficients).copy_(self._plan.coefficients())
            slot.numbers[-1] = 1 / tokens
            self._numbers.copy_(slot.numbers, non_blocking=True)
        slot.sent()
        self.sums[2] += tokens
        return shape

    def written(self) -> dict[tuple[str, str], Tensor]:
        """All that a program changes: by what it is and whose it is."""
        tensors = {("sums", "the loss"): self.sums}
        for parameter, gradient in zip(self._parameters, self._sum, strict=False):
            tensors["gradient", self._names[parameter]] = gradient
        if self.whole:
            for parameter in self._parameters:
                name = self._names[parameter]
                tensors["weights", name] = parameter.data
                for key, value in self._optimizer.state[parameter].items():
                    if isinstance(value, Tensor):
                        tensors[key, name] = value
        return tensors

    def _program(self, shape: Shape) -> Callable[[], None]:
        return functools.partial(self._update if self.whole else self._add, shape)

    def _update(self, shape: Shape) -> None:
        gradients = self._gradients(shape)
        torch._foreach_mul_(gradients, self._scale)
        self._plan.apply(gradients, self._coefficients)

    def _add(self, shape: Shape) -> None:
        torch._foreach_add_(self._sum, self._gradients(shape))

    def _gradients(self, shape: Shape) -> list[Tensor]:
        """Of the summed loss of the batch that was loaded."""
        source, previous, rows, words = _views(self._words, shape)
        features = self._transformer.features(source, previous)
        logits = self._transformer.logits(features.index_select(0, rows))
        loss, nll = padded_cross_entropy(logits, words, self._smoothing, self._padding)
        # not backward(), whose accumulators belong to the stream in which they were first used
        gradients = torch.autograd.grad(loss, self._parameters)
        self._transformer.forget()
        self.sums[:2] += torch.stack([loss.detach(), nll])
        return list(gradients)

    def _advance(self) -> None:
        if self.whole:
            self._plan.advance()


def batch_shape(batch: Batch) -> Shape:
    """As it came, with a row for each target word."""
    sentences, target = batch["target"].shape
    source = batch["net_input"]["src_tokens"].shape[1]
    return Shape(sentences, source, target, batch["ntokens"])


class _Slot:
    """Where a batch is laid out on the host; in page-locked memory, so that it can be sent while
    the processor goes on."""

    def __init__(self, words: int, coefficients: Tensor, device: torch.device) -> None:
        pinned = device.type == "cuda"
        self.words = torch.empty(words, dtype=torch.int64, pin_memory=pinned)
        self.numbers = torch.empty(coefficients.numel() + 1, pin_memory=pinned)
        self._sent: Any = torch.cuda.Event() if pinned else None  # type: ignore[no-untyped-call]

    def wait(self) -> None:
        """Until what was sent from here has arrived."""
        if self._sent:
            self._sent.synchronize()

    def sent(self) -> None:
        if self._sent:
            self._sent.record()


def _sizes(shape: Shape) -> list[int]:
    """Of source, previous words, rows of the output layer, their reference words."""
    sentences, source, target, rows = shape
    return [sentences * source, sentences * target, rows, rows]


def _words(shape: Shape) -> int:
    return sum(_sizes(shape))


def _views(words: Tensor, shape: Shape) -> Sequence[Tensor]:
    """[B, S], [B, T], [N] and [N], one behind the other in `words`."""
    parts = torch.split(words[: _words(shape)], _sizes(shape))
    source, previous, rows, references = parts
    return (
        source.view(shape.sentences, -1),
        previous.view(shape.sentences, -1),
        rows,
        references,
    )
