"""A step of an optimizer, measured: log|m/w|, norms, growth, the drowned fraction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from shared_optim.base import DecayOptimizer
from shared_optim.layout import flatten, is_distributed, memory_order, over_shards, to_read
from shared_optim.measures.histogram import (
    BINS,
    at_least_float,
    chunks,
    log_quantiles,
    logs_of_bins,
    ratio_histogram,
    split_counts,
)
from shared_optim.measures.native import Layer, measure
from shared_optim.measures.signal import check_known, memory, moment
from shared_optim.measures.statistics import PROBABILITIES, SUMS, StepReport


class Start:
    """The weights of an optimizer as they are now, from which `distance` is measured.

    It keeps one copy of the parameters.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._weights = {id(p): p.detach().clone() for _, p in _parameters(optimizer)}

    def of(self, parameter: Tensor) -> Tensor:
        """Raises KeyError for a parameter that was added since."""
        return self._weights[id(parameter)]


class Observation:
    """What a step reads, kept to be compared with what it writes.

    Made before the step, it costs a copy of the parameters while it lasts; `report` after the step
    takes the time of one to two more steps. Layers are named after the parameters where the
    optimizer was given names, else 0, 1, ...; a name that comes again is followed by its number.

    Args:
        optimizer: ours, or torch's Adam, AdamW or SGD.
        start: from which `distance` is measured.
        before_backward: whether gradients are still to come, as with a closure; all parameters are
            copied then, and only those that have a gradient otherwise.

    Raises TypeError for another optimizer.
    """

    @torch.no_grad()
    def __init__(
        self, optimizer: Optimizer, start: Start | None = None, *, before_backward: bool = False
    ) -> None:
        check_known(optimizer)
        self._optimizer, self._start = optimizer, start
        chosen = [p for _, p in _parameters(optimizer) if before_backward or p.grad is not None]
        self._weights = _copies(chosen)

    @torch.no_grad()
    def report(self) -> StepReport:
        """What the step did.

        Raises ValueError where no parameter has a gradient.
        """
        optimizer = self._optimizer
        states, stateless = optimizer.state, isinstance(optimizer, torch.optim.SGD)
        layers: list[Layer] = []
        last: tuple[dict[str, Any] | None, Any] = None, None
        limits: list[tuple[float, float]] = []
        for name, (group, parameter) in zip(_names(optimizer), _parameters(optimizer), strict=True):
            state = states.get(parameter, {})
            before = self._weights.get(id(parameter))
            if before is None or parameter.grad is None or not (state or stateless):
                continue
            steps = state.get("step")
            if group is not last[0] or isinstance(steps, Tensor) or steps != last[1]:
                limits, last = memory(optimizer, group, state).limits, (group, steps)
            layers.append(self._layer(name, group, parameter, before, state, limits))
        if not layers:
            raise ValueError("no parameter has a gradient: call backward() before observe_step()")
        return _measured(layers, has_start=self._start is not None)

    def _layer(
        self,
        name: str,
        group: dict[str, Any],
        parameter: Tensor,
        before: Tensor,
        state: dict[str, Any],
        limits: list[tuple[float, float]],
    ) -> Layer:
        after, gradient = to_read(parameter), parameter.grad
        assert gradient is not None
        start = after if self._start is None else to_read(self._start.of(parameter))
        m, g = moment(group, parameter, before, state), to_read(gradient)
        if g.is_neg():  # sums read memory, in which it has the wrong sign
            g = g.resolve_neg()
        tensors: tuple[Tensor, ...] = (before, g, after, m, start)
        if not (
            before.is_contiguous()
            and g.is_contiguous()
            and after.is_contiguous()
            and m.is_contiguous()
            and start.is_contiguous()
        ):
            members = group.get("members")
            axes = memory_order(after, stacked=bool(members))
            tensors = tuple(flatten(tensor, axes, members or 1) for tensor in tensors)
        return Layer(name, parameter, len(limits), tensors, limits)


def observe_step(
    optimizer: Optimizer,
    closure: Callable[[], float] | None = None,
    *,
    active: Sequence[bool] | Tensor | None = None,
    start: Start | None = None,
) -> StepReport:
    """Take a step and measure it, per member and layer; see `Observation`.

    Parameters without a gradient are left out; what is reported of inactive members means nothing.

    Args:
        optimizer: ours, or torch's Adam, AdamW or SGD.
        closure: evaluates the model again, as for `step`.
        active: see `DecayOptimizer.step`; for ours alone.
        start: from which `distance` is measured.

    Raises:
        ValueError: no parameter has a gradient.
        TypeError: another optimizer, or `active` for one of torch's.
    """
    observation = Observation(optimizer, start, before_backward=closure is not None)
    given = [] if closure is None else [closure]
    if active is None:
        optimizer.step(*given)
    elif isinstance(optimizer, DecayOptimizer):
        optimizer.step(*given, active=active)
    else:
        raise TypeError(f"active: a {type(optimizer).__name__} has no members")
    return observation.report()


def _parameters(optimizer: Optimizer) -> list[tuple[dict[str, Any], Tensor]]:
    return [(group, parameter) for group in optimizer.param_groups for parameter in group["params"]]


def _names(optimizer: Optimizer) -> list[str]:
    given: list[str] = []
    for group in optimizer.param_groups:
        own = group.get("param_names")
        count = len(group["params"])
        given += own if own else map(str, range(len(given), len(given) + count))
    if len(set(given)) == len(given):
        return given
    seen: Counter[str] = Counter()
    names = []
    for name in given:
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def _copies(parameters: Sequence[Tensor]) -> dict[int, Tensor]:
    """Copies of their memory on this process, by id; their elements in its order."""
    mine = [to_read(parameter) for parameter in parameters]
    if not all(tensor.is_cpu and tensor.is_contiguous() for tensor in mine):
        return {id(p): tensor.clone() for p, tensor in zip(parameters, mine, strict=True)}
    copies: dict[int, Tensor] = {}
    for dtype in {tensor.dtype: None for tensor in mine}:
        owners = [p for p in parameters if p.dtype == dtype]
        same = [t if t.ndim == 1 else t.view(-1) for t in mine if t.dtype == dtype]
        # In one piece, which numpy takes in huge pages: a page fault for every 4 KB costs as much
        # as a step does.
        size = sum(tensor.nbytes for tensor in same)
        memory = torch.from_numpy(np.empty(size or dtype.itemsize, np.uint8)).view(dtype)
        memory = torch.cat(same, out=memory[: size // dtype.itemsize])
        pieces = torch.split(memory, [tensor.numel() for tensor in same])
        copies |= zip(map(id, owners), pieces, strict=True)
    return copies


def _measured(layers: Sequence[Layer], *, has_start: bool) -> StepReport:
    members = layers[0].members
    counts = torch.zeros(members, BINS, dtype=torch.int64, device=layers[0].tensors[0].device)
    sums = np.zeros((len(layers), members), SUMS)
    logs = torch.zeros(len(layers), members, len(PROBABILITIES), dtype=torch.float64)
    kinds: dict[Any, list[int]] = {}
    for place, layer in enumerate(layers):
        weight, gradient, _, m, _ = layer.tensors
        plain = weight.is_cpu and not is_distributed(layer.parameter)
        kind = (weight.dtype, gradient.dtype, m.dtype) if plain else None
        kinds.setdefault(kind, []).append(place)
    for kind, places in kinds.items():
        mine = [layers[place] for place in places]
        found = measure(mine, counts, has_start=has_start) if kind else None
        if found is not None:
            sums[places] = found[0]
            logs[places] = logs_of_bins(torch.from_numpy(found[1]))
        else:
            rows = [_row(layer, k, counts) for layer in mine for k in range(members)]
            each = torch.stack([row for row, _ in rows]).cpu().numpy().view(SUMS)
            sums[places] = each.reshape(len(places), members)
            logs[places] = (
                torch.stack([row for _, row in rows]).cpu().view(len(places), members, -1)
            )
    return StepReport(tuple(layer.name for layer in layers), sums, logs, counts.cpu(), has_start)


def _row(layer: Layer, k: int, counts: Tensor) -> tuple[Tensor, Tensor]:
    """What `measure` gives of one member, operator by operator: sums [S] and logs [Q] float64."""
    weight, gradient, after, moment, start = (
        tensor.reshape(layer.members, -1)[k] for tensor in layer.tensors
    )
    inside, decay = layer.limits[k]
    histogram = ratio_histogram(moment, weight)
    counted, _ = split_counts(histogram)
    # bin 0 has those whose m is 0 as well, and of the others those whose ratio is below 1e-40
    zero_moments = (moment == 0) & (weight != 0) & ~weight.isnan()
    counted[0] = histogram[0] - zero_moments.sum()
    sums = torch.zeros(len(SUMS.names or ()), dtype=torch.float64, device=weight.device)
    for w, g, new, m, begun in chunks(weight, gradient, after, moment, start):
        w, m = at_least_float(w), at_least_float(m)
        masks = ((m / w).sub_(inside).abs_() < decay, w == 0, (m == 0) & (w != 0))
        # squares of small gradients are no float32
        w, g, new = w.double(), g.double(), new.double()
        update, away = new - w, new - begun.double()
        products = (w.dot(w), g.dot(g), update.dot(update), w.dot(g), w.dot(update), away.dot(away))
        sums += torch.stack(
            [w.new_tensor(len(w)), *products, *(mask.count_nonzero().double() for mask in masks)]
        )
    if is_distributed(layer.parameter):
        counted, sums = (over_shards(each, layer.parameter) for each in (counted, sums))
    counts[k] += counted
    return sums, log_quantiles(counted, PROBABILITIES)
