"""The parameters of an optimizer's steps by kind, with their kernels, kept from step to step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from shared_optim.batch import Batch
from shared_optim.group import Group
from shared_optim.kernel import list_update
from shared_optim.layout import Flat, check_layout
from shared_optim.repeat import Repeat, Work
from shared_optim.rule import UpdateRule, Variant
from shared_optim.values import acting_members

if TYPE_CHECKING:
    from shared_optim.base import DecayOptimizer

_LISTS = 16  # lists of parameters, as they get gradients together, whose kernels are kept


class Parameters:
    """Those of one kind, as they are gathered, with what a kernel takes of each."""

    def __init__(self, variant: Variant, gradient_dtype: torch.dtype) -> None:
        self.variant, self.gradient_dtype = variant, gradient_dtype
        self.flats: list[Flat] = []
        self.owners: list[tuple[Tensor, dict[str, Any]]] = []
        self.rows: list[int] = []
        self.stable_rows: dict[int, None] = {}
        self.gradients: list[Tensor] = []

    def add(self, flat: Flat, owner: tuple[Tensor, dict[str, Any]], row: int, stable: bool) -> None:
        self.flats.append(flat)
        self.owners.append(owner)
        self.rows.append(row)
        if stable:
            self.stable_rows[row] = None


class Gathering:
    """What is found out about an optimizer's parameters, and holds while they stay as they are."""

    def __init__(self) -> None:
        self._flats: dict[int, Flat] = {}
        self._batches: dict[tuple[Any, ...], Batch] = {}
        self._variants: dict[Any, Variant] = {}
        self._repeat: Repeat | None = None

    def variant(self, optimizer: DecayOptimizer, group: Group) -> Variant:
        """The form of the rule that a group asks for."""
        settings = group.settings()
        if settings.variant is None:
            settings.variant = self._interned(
                optimizer.rule, optimizer.buffers(settings, group), optimizer.flags(settings, group)
            )
        return settings.variant

    def planned_batches(
        self,
        optimizer: DecayOptimizer,
        groups: Sequence[Group],
        gradient_dtypes: Mapping[Tensor, torch.dtype],
    ) -> tuple[list[Batch], list[list[int]]]:
        """Batches of all parameters of some groups, for `Plan`, and where each one is among them.

        Row r of the table is that of the r-th member, counted over the groups. Gradients are of
        their parameter's dtype where `gradient_dtypes` has no other.
        """
        lists: dict[Any, Parameters] = {}
        places: dict[Any, list[int]] = {}
        row = place = 0
        for group in groups:
            asked, stable = self.variant(optimizer, group), "stable" in group.settings().terms
            for parameter in group["params"]:
                flat, variant = self._flat(
                    optimizer, parameter, optimizer.state[parameter], group, asked
                )
                of_gradient = gradient_dtypes.get(parameter, parameter.dtype)
                kind = id(variant), flat.kind, of_gradient
                mine = lists.setdefault(kind, Parameters(variant, of_gradient))
                mine.add(flat, (parameter, optimizer.state[parameter]), row, stable)
                places.setdefault(kind, []).append(place)
                place += 1
            row += group["members"] or 1
        return [self._batch(optimizer, each) for each in lists.values()], list(places.values())

    def work(self, optimizer: DecayOptimizer, active: Sequence[bool] | Tensor | None) -> Work:
        """What the optimizer's next step works on.

        Changes nothing but the state of parameters that had none.
        """
        if self._repeat is not None and (work := self._repeat.again(optimizer, active)):
            return work
        self._repeat = None
        rows: list[tuple[float, ...]] = []
        lists: dict[Any, Parameters] = {}
        new_steps: list[tuple[dict[str, Any], Any]] = []
        groups: list[tuple[Group, list[bool], Any]] = []
        flats: list[Flat] = []
        places: dict[Any, list[int]] = {}
        for group in optimizer.param_groups:
            members = group["members"]
            acting = acting_members(active, members)
            asked, stable = self.variant(optimizer, group), "stable" in group.settings().terms
            found: dict[Any, tuple[int, Any]] = {}  # row and new steps, by the steps taken
            for parameter in group["params"]:
                if (gradient := parameter.grad) is None:
                    continue
                state = optimizer.state[parameter]
                flat, variant = self._flat(optimizer, parameter, state, group, asked)
                gradient = flat.in_order(gradient, parameter)
                taken = tuple(state["step"]) if members else state["step"]
                if taken not in found:
                    each = taken if members else (taken,)
                    later = [t + acts for t, acts in zip(each, acting, strict=True)]
                    found[taken] = len(rows), later if members else later[0]
                    rows += optimizer.rows(group, acting, each)
                row, later = found[taken]
                new_steps.append((state, list(later) if members else later))
                kind = id(variant), flat.kind, gradient.dtype
                if (mine := lists.get(kind)) is None:
                    mine = lists[kind] = Parameters(variant, gradient.dtype)
                mine.add(flat, (parameter, state), row, stable)
                mine.gradients.append(gradient)
                places.setdefault(kind, []).append(len(flats))
                flats.append(flat)
            if found:
                groups.append((group, acting, next(iter(found.values()))[1]))
        table = np.array(rows, dtype=np.float64).reshape(-1, len(optimizer.rule.fields))
        work = Work(
            [self._batch(optimizer, each) for each in lists.values()],
            [each.owners for each in lists.values()],
            [each.gradients for each in lists.values()],
            table,
            new_steps,
            groups,
        )
        self._repeat = Repeat.of(optimizer, work, flats, list(places.values()))
        return work

    def _flat(
        self,
        optimizer: DecayOptimizer,
        parameter: Tensor,
        state: dict[str, Any],
        group: Group,
        variant: Variant,
    ) -> tuple[Flat, Variant]:
        """The parameter's views, its state made first where needed, and the variant for it."""
        if len(state) > 1 + len(variant.buffers):
            # Buffers that were needed once go on: their moments would have a gap.
            asked = variant.buffers
            kept = tuple(name for name in optimizer.rule.buffers if name in asked or name in state)
            variant = self._interned(optimizer.rule, kept, variant.flags)
        members = group["members"]
        flat = self._flats.get(id(parameter))
        # without momentum SGD has no buffers that would be missed in a state that was emptied
        if (
            flat is None
            or "step" not in state
            or not flat.is_current(parameter, state, variant.buffers, members or 1)
        ):
            _prepare(optimizer, parameter, state, group, variant.buffers)
            flat = Flat.of(parameter, state, variant.buffers, members)
            self._flats[id(parameter)] = flat
        return flat, variant

    def _batch(self, optimizer: DecayOptimizer, found: Parameters) -> Batch:
        """The parameters with their kernel, kept while the same get gradients together."""
        key = (
            found.gradient_dtype,
            optimizer.compile,
            *found.rows,
            *found.stable_rows,
            *map(id, found.flats),
        )
        batch = self._batches.get(key)
        if batch is None or batch.variant is not found.variant:
            if len(self._batches) >= _LISTS:
                self._batches.clear()
            known = {
                id(parameter) for group in optimizer.param_groups for parameter in group["params"]
            }
            self._flats = {key: flat for key, flat in self._flats.items() if key in known}
            batch = Batch(found.flats, found.rows, found.variant, None, tuple(found.stable_rows))
            if optimizer.compile:
                tensors = batch.tensors(found.owners)
                update = list_update(tensors, found.rows, found.gradient_dtype, found.variant)
                batch = replace(batch, update=update)
            self._batches[key] = batch
        return batch

    def _interned(
        self, rule: UpdateRule, buffers: tuple[str, ...], flags: frozenset[str]
    ) -> Variant:
        key = buffers, flags
        if key not in self._variants:
            self._variants[key] = Variant(rule, buffers, flags)
        return self._variants[key]


def _prepare(
    optimizer: DecayOptimizer,
    parameter: Tensor,
    state: dict[str, Any],
    group: Group,
    names: Sequence[str],
) -> None:
    """Give a parameter the state that a step needs."""
    members = group["members"]
    check_layout(parameter, members)
    if "step" not in state:
        state["step"] = [0] * members if members else 0
    elif isinstance(state["step"], Tensor):  # as other optimizers keep it
        state["step"] = state["step"].long().tolist()
    narrow = parameter.dtype.itemsize < torch.float32.itemsize
    dtype = group["state_dtype"] or (torch.float32 if narrow else parameter.dtype)
    for name in names:
        if state.get(name) is None:
            steps = torch.tensor(state["step"], dtype=torch.float64, device=parameter.device)
            steps = steps.view(-1, *[1] * (parameter.ndim - 1)) if members else steps
            state[name] = optimizer.new_buffer(name, parameter, steps, group, dtype)
        elif state[name].dtype != dtype:
            state[name] = state[name].to(dtype)
