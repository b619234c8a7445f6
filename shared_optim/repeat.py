"""A step like the one before: what holds while nothing but numbers has changed.

Finding out what a step works on takes some ten times as long per tensor as seeing that it is what
the last one worked on, and a small network's step is little else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from shared_optim.batch import Batch, Owners
from shared_optim.group import Group, Settings
from shared_optim.layout import Flat
from shared_optim.values import acting_members

if TYPE_CHECKING:
    from shared_optim.base import DecayOptimizer


@dataclass(frozen=True)
class Work:
    """What a step works on.

    Attributes:
        batches: of all parameters that have a gradient.
        owners: of each batch, its parameters with their states.
        gradients: of each batch, as `Flat.in_order` gives them.
        rows: of the table, float64.
        steps: each parameter's state, and the steps that it has taken after this one.
        groups: with who acts, and the steps of their first parameters after this one.
    """

    batches: list[Batch]
    owners: list[Owners]
    gradients: list[list[Tensor]]
    rows: NDArray[np.float64]
    steps: list[tuple[dict[str, Any], Any]]
    groups: list[tuple[Group, list[bool], Any]]


@dataclass(frozen=True)
class Repeat:
    """What a step found, without its tensors: addresses and kinds, to compare with those of now.

    Attributes:
        compile: whether kernels were asked for.
        absent: of all parameters, in order, which had no gradient.
        settings: of each group.
        counts: of each group, how many parameters had a gradient. Those of one group had taken
            the same steps.
        flats: of those with a gradient, in order.
        parameters, buffers, gradients: what `_kinds_of_...` gave for them.
        in_order: whether the gradients lay as their parameters do.
        batches: of them.
        places: of each batch's parameters among those with a gradient.
    """

    compile: bool
    absent: list[bool]
    settings: list[Settings]
    counts: list[int]
    flats: list[Flat]
    parameters: list[tuple[Any, ...]]
    buffers: list[tuple[Any, ...] | int]
    gradients: list[tuple[Any, ...]]
    in_order: bool
    batches: list[Batch]
    places: list[list[int]]

    @classmethod
    def of(
        cls,
        optimizer: DecayOptimizer,
        work: Work,
        flats: Sequence[Flat],
        places: list[list[int]],
    ) -> Repeat | None:
        """What the next step may repeat of a step; None where a step is to be looked at anew.

        Args:
            optimizer: that takes it.
            work: what was found for it.
            flats: of the parameters with a gradient, in order.
            places: of each batch's parameters among them.
        """
        groups = optimizer.param_groups
        parameters = [p for group in groups for p in group["params"]]
        owners = [p for p in parameters if p.grad is not None]
        gradients: list[Any] = [p.grad for p in owners]
        states = [optimizer.state[p] for p in owners]
        counts = [sum(p.grad is not None for p in group["params"]) for group in groups]
        if _steps_of_groups(states, counts) is None or not all(flat.is_plain for flat in flats):
            return None
        given = dict(zip(map(id, owners), gradients, strict=True))
        return cls(
            compile=optimizer.compile,
            absent=[p.grad is None for p in parameters],
            settings=[group.settings() for group in groups],
            counts=counts,
            flats=list(flats),
            parameters=_kinds_of_parameters(owners),
            buffers=_kinds_of_buffers(states, flats),
            gradients=_kinds_of_gradients(gradients),
            in_order=all(
                used is given[id(owner)]
                for batch, mine in zip(work.gradients, work.owners, strict=True)
                for used, (owner, _) in zip(batch, mine, strict=True)
            ),
            batches=work.batches,
            places=places,
        )

    def again(
        self, optimizer: DecayOptimizer, active: Sequence[bool] | Tensor | None
    ) -> Work | None:
        """What the next step works on, where it differs from the last in numbers alone, else
        None."""
        groups = optimizer.param_groups
        owners = [p for group in groups for p in group["params"]]
        absent = [p.grad is None for p in owners]
        if absent != self.absent or optimizer.compile != self.compile:
            return None
        if True in absent:
            owners = [p for p in owners if p.grad is not None]
        gradients: list[Tensor] = [p.grad for p in owners]
        states = [optimizer.state[p] for p in owners]
        settings = [group.settings() for group in groups]
        try:
            same = (
                all(one is other for one, other in zip(settings, self.settings, strict=True))
                and _kinds_of_parameters(owners) == self.parameters
                and _kinds_of_buffers(states, self.flats) == self.buffers
                and _kinds_of_gradients(gradients) == self.gradients
            )
            steps = _steps_of_groups(states, self.counts) if same else None
        except (AttributeError, KeyError, ValueError):  # a buffer is gone, or a group
            return None
        if steps is None:
            return None
        rows: list[tuple[float, ...]] = []
        later: list[Any] = []
        taking: list[tuple[Group, list[bool], Any]] = []
        for group, count, taken in zip(groups, self.counts, steps, strict=True):
            if not count:
                continue
            members = group["members"]
            acting = acting_members(active, members)
            each = taken if members else (taken,)
            after = [t + acts for t, acts in zip(each, acting, strict=True)]
            rows += optimizer.rows(group, acting, each)
            if members:
                later += [list(after) for _ in range(count)]
                taking.append((group, acting, after))
            else:
                later += after * count
                taking.append((group, acting, after[0]))
        if not self.in_order:
            gradients = [
                flat.in_order(gradient, owner)
                for flat, gradient, owner in zip(self.flats, gradients, owners, strict=True)
            ]
        return Work(
            self.batches,
            [[(owners[i], states[i]) for i in places] for places in self.places],
            [[gradients[i] for i in places] for places in self.places],
            np.array(rows, dtype=np.float64).reshape(-1, len(optimizer.rule.fields)),
            list(zip(states, later, strict=True)),
            taking,
        )


def _steps_of_groups(states: Sequence[dict[str, Any]], counts: Sequence[int]) -> list[Any] | None:
    """The steps that each group's parameters have taken; None where they differ within one, or are
    no plain numbers."""
    found, start = [], 0
    for count in counts:
        steps = [state["step"] for state in states[start : start + count]]
        start += count
        first = steps[0] if steps else 0
        if type(first) not in (int, list) or steps.count(first) != count:
            return None
        found.append(first)
    return found


def _kinds_of_parameters(parameters: Sequence[Tensor]) -> list[tuple[Any, ...]]:
    return [(p.data_ptr(), p.stride(), p.shape, p.dtype, type(p)) for p in parameters]


def _kinds_of_buffers(
    states: Sequence[dict[str, Any]], flats: Sequence[Flat]
) -> list[tuple[Any, ...] | int]:
    """Also how many there are of each: one that is put there is used from then on."""
    buffers = [
        state[name] for state, flat in zip(states, flats, strict=True) for name in flat.names
    ]
    return [(b.data_ptr(), b.stride(), b.nbytes, b.dtype) for b in buffers] + list(map(len, states))


def _kinds_of_gradients(gradients: Sequence[Tensor]) -> list[tuple[Any, ...]]:
    return [
        (g.shape, g.stride(), g.dtype, g.device, g.layout, g.is_neg(), type(g)) for g in gradients
    ]
