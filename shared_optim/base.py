"""What all optimizers with weight decay share: groups, populations, buffers, state, the step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

from shared_optim.batch import Batch, apply
from shared_optim.group import (
    CALLABLE,
    Group,
    Settings,
    acting_members,
    normalised,
    spread,
)
from shared_optim.kernel import list_update
from shared_optim.layout import Flat, check_layout
from shared_optim.plan import Plan
from shared_optim.rule import UpdateRule, Variant
from shared_optim.schemes import SCHEMES, Terms, decaying

PerMember = float | Sequence[float] | Tensor

_LISTS = 16  # lists of parameters, as they get gradients together, whose kernels are kept

_ELSEWHERE = {
    "weight_decay": "name the scheme: decoupled= for AdamW's and SGDW's, l2= for Adam's and SGD's",
    "foreach": "leave it out: all parameters are updated in one call",
    "fused": "leave it out: the update is one kernel wherever a compiler is found",
    "capturable": "leave it out, and capture the apply() of plan()",
    "differentiable": "leave it out: the update has no gradient",
    "amsgrad": "leave it out: the largest v so far is not kept",
    "dampening": "leave it out: torch.optim.SGD's default, 0, is what there is",
    "decoupled_weight_decay": "leave it out, and give lambda as decoupled= or l2=",
}


class DecayOptimizer(Optimizer):
    """An optimizer of the family; `WeightDecayAdam` and `WeightDecaySGD` say what is their own."""

    rule: ClassVar[UpdateRule]
    param_groups: list[Group]  # type: ignore[assignment]

    def __init__(
        self,
        params: ParamsT,
        values: Mapping[str, Any],
        registered: Mapping[str, Any],
        *,
        compile: bool,
    ) -> None:
        for name in registered:
            if name not in self._lambdas():
                said = _ELSEWHERE.get(name) or (
                    f"no scheme of this optimizer; those are {', '.join(self._lambdas())}"
                    if name in SCHEMES
                    else "no argument and no registered scheme"
                )
                raise TypeError(f"{type(self).__name__}: {name}= is not taken: {said}")
        lambdas = dict.fromkeys(self._lambdas(), 0.0)
        defaults = dict(normalised({**lambdas, **values, **registered}, {}, self._lambdas()))
        # What a group's own lambdas and rate make of it; the defaults' would contradict them.
        del defaults["weight_decay"]
        if values["peak_lr"] is None:
            defaults["peak_lr"] = None
        self.compile = compile
        self._flats: dict[int, Flat] = {}
        self._batches: dict[tuple[Any, ...], Batch] = {}
        self._variants: dict[Any, Variant] = {}
        super().__init__(params, defaults)

    @classmethod
    def _lambdas(cls) -> list[str]:
        return decaying(cls.rule.name)

    @abstractmethod
    def buffers(self, settings: Settings, group: Group) -> tuple[str, ...]:
        """The names of the buffers that a step needs, in the order of the rule's formula."""

    @abstractmethod
    def flags(self, settings: Settings, group: Group) -> frozenset[str]:
        """What else tells one variant of the formula from another."""

    @abstractmethod
    def new_buffer(
        self, name: str, parameter: Tensor, steps: Tensor, group: Group, dtype: torch.dtype
    ) -> Tensor:
        """A buffer like the parameter after t steps, [K, 1, ...] or a number, without it."""

    @abstractmethod
    def coefficients(
        self, group: Group, terms: Terms, t: int, lr: float, active: bool
    ) -> tuple[float, ...]:
        """One member's row of the table at step t, in float64."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As torch.optim's, but that the group is a checked copy of `param_group`.

        Raises:
            TypeError: no dict; a tensor subclass whose memory is not its elements.
            ValueError: a value out of range, or a parameter that no step can update.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"a parameter group is a dict, not a {type(param_group).__name__}")
        group = normalised(param_group, self.defaults, self._lambdas())
        super().add_param_group(group)
        try:
            for parameter in group["params"]:
                check_layout(parameter, group["members"])
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise

    def state_dict(self) -> dict[str, Any]:
        """As torch.optim's. A schedule that is a function is not in it, only that there was one."""
        handle = self.register_state_dict_post_hook(_name_functions, prepend=True)
        try:
            return super().state_dict()
        finally:
            handle.remove()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As torch.optim's, but that buffers keep their dtype.

        Keys that the state lacks, because an older version wrote it, stay as they are; lambdas of
        schemes that it did not know are 0. `weight_decay` follows from the lambdas.

        Raises ValueError for the state of another optimizer, of a population of another size, or
        with a schedule that is a function where this optimizer has none.
        """
        loaded: dict[str, Any] = {}

        def check(_: Optimizer, given: dict[str, Any]) -> dict[str, Any]:
            saved = given["param_groups"]
            if len(saved) == len(self.param_groups):
                saved = list(map(self._loadable, saved, self.param_groups))
            loaded.update({**given, "param_groups": saved})
            return loaded

        def finish(_: Optimizer) -> None:
            for group, saved in zip(self.param_groups, loaded["param_groups"], strict=True):
                group["schedule"] = saved["schedule"]  # itself: torch copies what a function holds
            # torch casts to the parameter's: bfloat16 would lose what float32 buffers are for
            numbers = [number for group in loaded["param_groups"] for number in group["params"]]
            owners = [p for group in self.param_groups for p in group["params"]]
            for number, parameter in zip(numbers, owners, strict=True):
                for name, value in loaded["state"].get(number, {}).items():
                    if isinstance(value, Tensor) and name != "step":
                        kept = self.state[parameter][name]
                        if kept.dtype != value.dtype:
                            self.state[parameter][name] = value.to(kept.device, copy=True)

        # after the hooks of others, which may convert a state, and before those that may look at it
        handles = [
            self.register_load_state_dict_pre_hook(check),
            self.register_load_state_dict_post_hook(finish, prepend=True),
        ]
        try:
            super().load_state_dict(state_dict)
        finally:
            for handle in handles:
                handle.remove()

    def _loadable(self, saved: dict[str, Any], own: Group) -> dict[str, Any]:
        """A saved group with every key, or ValueError."""
        if "members" not in saved or any(key not in saved for key in self._identifying()):
            raise ValueError(
                f"a parameter group with the keys {', '.join(saved)} is another optimizer's; "
                f"only a state_dict of {type(self).__name__} can be loaded"
            )
        if own["members"] and saved["members"] != own["members"]:
            whose = f"a population of {saved['members']}" if saved["members"] else "a single run"
            raise ValueError(
                f"members: the state of {whose} is none of a population of {own['members']}"
            )
        zero = [0.0] * saved["members"] if saved["members"] else 0.0
        lambdas = dict.fromkeys(self._lambdas(), zero)
        rest = {key: value for key, value in own.items() if key not in (*lambdas, "params")}
        given = {**rest, **lambdas, "decay_memory": None, **saved}
        schedules = spread(given["schedule"], 1)
        if CALLABLE in schedules:
            current = spread(own["schedule"], 1)
            if len(current) != len(schedules) or any(
                kept == CALLABLE and not callable(now)
                for kept, now in zip(schedules, current, strict=True)
            ):
                raise ValueError(
                    "schedule: the state was saved with a function, which it cannot hold; give "
                    "the function to the optimizer that loads it"
                )
            pairs = zip(schedules, current, strict=True)
            schedules = [now if kept == CALLABLE else kept for kept, now in pairs]
            given["schedule"] = schedules if own["members"] else schedules[0]
        return given

    def _identifying(self) -> tuple[str, ...]:
        own = ("betas", "momentum")  # Adam's, SGD's
        return ("l2", "decoupled", *(key for key in own if key in self.defaults))

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "compile": self.compile}

    def __setstate__(self, state: dict[str, Any]) -> None:
        groups = []
        known = [group.last for group in self.__dict__.get("param_groups", [])]
        for i, values in enumerate(state["param_groups"]):
            for parameter in values["params"]:
                check_layout(parameter, values["members"])
            last = values.last if isinstance(values, Group) else known[i] if known else None
            groups.append(Group(values, self._lambdas(), last))
        super().__setstate__({**state, "param_groups": groups})
        self._flats, self._batches, self._variants = {}, {}, {}

    # torch.compile breaks its graph here: the step is one kernel already
    @torch._disable_dynamo  # type: ignore[attr-defined]
    @torch.no_grad()
    def step(  # type: ignore[override]
        self,
        closure: Callable[[], float] | None = None,
        *,
        active: Sequence[bool] | Tensor | None = None,
    ) -> float | None:
        """Update every parameter that has a gradient, and return the closure's loss, if any.

        Args:
            closure: evaluates the model again and returns the loss.
            active: [K] booleans, for a population. Parameters, buffers and step counts of
                inactive members stay as they are, whatever their gradients hold.
        """
        self._adopt()
        # a CPU build of torch cannot even be asked
        if self._on_gpu() and torch.cuda.is_current_stream_capturing():
            raise RuntimeError(
                "step() computes its coefficients on the processor, which a CUDA graph would never "
                "do again: capture the apply() of plan() instead"
            )
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # All is gathered before anything changes: an error leaves every parameter as it was.
        lists, rows, steps, groups = self._gathered(active)
        batches = [self._batch(each) for each in lists]
        owners = [each.owners for each in lists]
        tables: dict[Any, Tensor] = {}
        for batch in batches:
            if (kind := (batch.dtype, batch.device)) not in tables:
                table = torch.from_numpy(rows).to(batch.dtype)
                # else a GPU is waited for
                tables[kind] = table.to(batch.device, non_blocking=True)
        gradients = [each.gradients for each in lists]
        apply(batches, owners, gradients, [tables[batch.dtype, batch.device] for batch in batches])
        for state, taken in steps:
            state["step"] = taken
        for group, acting, taken in groups:
            group.remember(acting, spread(taken, 1))
        return loss

    def plan(self) -> Plan:
        """The steps from here on, cut into a host's and a device's part; see `Plan`."""
        self._adopt()
        return Plan(self)

    def _adopt(self) -> None:
        """Make a Group of every dict that somebody else has put among the groups."""
        for i, group in enumerate(self.param_groups):
            if not isinstance(group, Group):
                self.param_groups[i] = normalised(group, self.defaults, self._lambdas())

    def _on_gpu(self) -> bool:
        return any(p.is_cuda for group in self.param_groups for p in group["params"][:1])

    @property
    def table_shape(self) -> tuple[int, int]:
        """[rows, fields] of a plan's coefficients: each group has K rows, 1 without members."""
        groups = [group for group in self.param_groups if group["params"]]
        return sum(group["members"] or 1 for group in groups), len(self.rule.fields)

    def variant(self, group: Group) -> Variant:
        """The form of the rule that a group asks for."""
        settings = group.settings()
        if settings.variant is None:
            settings.variant = self._interned(
                self.buffers(settings, group), self.flags(settings, group)
            )
        return settings.variant

    def rows(
        self, group: Group, acting: Sequence[bool], steps: Sequence[int]
    ) -> list[tuple[float, ...]]:
        """A group's rows of the table at the next step, in float64: one per member.

        Args:
            group: one of the optimizer's.
            acting: [K], who takes the step.
            steps: [K], how many each has taken.

        Raises ValueError for a value in the group that is out of range.
        """
        lr, settings, peak = group.lr(), group.settings(), group["peak_lr"]
        if settings.needs_peak and lr > peak * (1 + 1e-9):
            raise ValueError(
                f"lr: {lr} is above peak_lr {peak}, which the decay is measured against; give "
                "peak_lr= the largest learning rate of the training"
            )
        rows = []
        for decay, acts, t in zip(settings.decays, acting, steps, strict=True):
            t = max(t + acts, 1)  # 0 where an inactive member never took a step
            terms = decay.terms(t, lr, peak)
            rows.append(self.coefficients(group, terms, t, lr, acts))
        return rows

    def planned_batches(self, groups: Sequence[Group]) -> tuple[list[Batch], list[list[int]]]:
        """Batches of all parameters of some groups, for `Plan`, and where each one is among them.

        Row r of the table is that of the r-th member, counted over the groups.
        """
        lists: dict[Any, _List] = {}
        places: dict[Any, list[int]] = {}
        row = place = 0
        for group in groups:
            asked, stable = self.variant(group), "stable" in group.settings().terms
            for parameter in group["params"]:
                flat, variant = self._flat(parameter, self.state[parameter], group, asked)
                kind = id(variant), flat.kind
                mine = lists.setdefault(kind, _List(variant, parameter.dtype))
                mine.add(flat, (parameter, self.state[parameter]), row, stable)
                places.setdefault(kind, []).append(place)
                place += 1
            row += group["members"] or 1
        return [self._batch(each) for each in lists.values()], list(places.values())

    def _gathered(
        self, active: Sequence[bool] | Tensor | None
    ) -> tuple[
        list[_List],
        NDArray[np.float64],
        list[tuple[dict[str, Any], Any]],
        list[tuple[Group, list[bool], Any]],
    ]:
        """What a step works on: parameters by kind, the table's rows, states and their new steps,
        groups with who acts and the new steps of their first parameters.

        Changes nothing but the state of parameters that had none.
        """
        rows: list[tuple[float, ...]] = []
        lists: dict[Any, _List] = {}
        new_steps: list[tuple[dict[str, Any], Any]] = []
        groups: list[tuple[Group, list[bool], Any]] = []
        for group in self.param_groups:
            members = group["members"]
            acting = acting_members(active, members)
            asked, stable = self.variant(group), "stable" in group.settings().terms
            found: dict[Any, tuple[int, Any]] = {}  # row and new steps, by the steps taken
            for parameter in group["params"]:
                if (gradient := parameter.grad) is None:
                    continue
                state = self.state[parameter]
                flat, variant = self._flat(parameter, state, group, asked)
                gradient = flat.in_order(gradient, parameter)
                taken = tuple(state["step"]) if members else state["step"]
                if taken not in found:
                    each = taken if members else (taken,)
                    later = [t + acts for t, acts in zip(each, acting, strict=True)]
                    found[taken] = len(rows), later if members else later[0]
                    rows += self.rows(group, acting, each)
                row, later = found[taken]
                new_steps.append((state, list(later) if members else later))
                kind = id(variant), flat.kind, gradient.dtype
                if (mine := lists.get(kind)) is None:
                    mine = lists[kind] = _List(variant, gradient.dtype)
                mine.add(flat, (parameter, state), row, stable)
                mine.gradients.append(gradient)
            if found:
                groups.append((group, acting, next(iter(found.values()))[1]))
        table = np.array(rows, dtype=np.float64).reshape(-1, len(self.rule.fields))
        return list(lists.values()), table, new_steps, groups

    def _flat(
        self, parameter: Tensor, state: dict[str, Any], group: Group, variant: Variant
    ) -> tuple[Flat, Variant]:
        """The parameter's views, its state made first where needed, and the variant for it."""
        if len(state) > 1 + len(variant.buffers):
            # Buffers that were needed once go on: their moments would have a gap.
            asked = variant.buffers
            kept = tuple(name for name in self.rule.buffers if name in asked or name in state)
            variant = self._interned(kept, variant.flags)
        members = group["members"]
        flat = self._flats.get(id(parameter))
        if flat is None or not flat.is_current(parameter, state, variant.buffers, members or 1):
            self._prepare(parameter, state, group, variant.buffers)
            flat = Flat.of(parameter, state, variant.buffers, members)
            self._flats[id(parameter)] = flat
        return flat, variant

    def _prepare(
        self, parameter: Tensor, state: dict[str, Any], group: Group, names: Sequence[str]
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
                state[name] = self.new_buffer(name, parameter, steps, group, dtype)
            elif state[name].dtype != dtype:
                state[name] = state[name].to(dtype)

    def _batch(self, found: _List) -> Batch:
        """The parameters with their kernel, kept while the same get gradients together."""
        key = (
            found.gradient_dtype,
            self.compile,
            *found.rows,
            *found.stable_rows,
            *map(id, found.flats),
        )
        batch = self._batches.get(key)
        if batch is None or batch.variant is not found.variant:
            if len(self._batches) >= _LISTS:
                self._batches.clear()
            known = {id(parameter) for group in self.param_groups for parameter in group["params"]}
            self._flats = {key: flat for key, flat in self._flats.items() if key in known}
            batch = Batch(found.flats, found.rows, found.variant, None, tuple(found.stable_rows))
            if self.compile:
                tensors = batch.tensors(found.owners)
                update = list_update(tensors, found.rows, found.gradient_dtype, found.variant)
                batch = replace(batch, update=update)
            self._batches[key] = batch
        return batch

    def _interned(self, buffers: tuple[str, ...], flags: frozenset[str]) -> Variant:
        key = buffers, flags
        if key not in self._variants:
            self._variants[key] = Variant(self.rule, buffers, flags)
        return self._variants[key]


def _name_functions(_: Optimizer, state_dict: dict[str, Any]) -> None:
    """Put a word in the place of each schedule of a state_dict that is a function."""
    for group in state_dict["param_groups"]:
        each = [CALLABLE if callable(s) else s for s in spread(group["schedule"], 1)]
        group["schedule"] = each if isinstance(group["schedule"], list) else each[0]


class _List:
    """Parameters of one kind, as they are gathered."""

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
