"""What all optimizers with weight decay share: groups, populations, buffers, state, the step."""

from __future__ import annotations

import difflib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

from shared_optim.batch import Batch, apply
from shared_optim.eager import eager, inherited
from shared_optim.gathering import Gathering
from shared_optim.group import Group, Settings, normalised
from shared_optim.layout import check_layout
from shared_optim.plan import Plan
from shared_optim.rule import UpdateRule, Variant
from shared_optim.schemes import SCHEMES, Terms, decaying
from shared_optim.state_dicts import loadable, name_functions
from shared_optim.values import spread

PerMember = float | Sequence[float] | Tensor

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

    @eager
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
                near = difflib.get_close_matches(name.lower(), [*self._lambdas(), *values], n=1)
                said = _ELSEWHERE.get(name) or (
                    f"no scheme of this optimizer; those are {', '.join(self._lambdas())}"
                    if name in SCHEMES
                    else f"did you mean {near[0]}=?"
                    if near
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
        self._gathering = Gathering()
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

    @eager
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As torch.optim's, but that the group is a checked copy of `param_group`.

        Raises:
            TypeError: no dict; a tensor subclass whose memory is not its elements.
            ValueError: a value out of range, or a parameter that no step can update.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"a parameter group is a dict, not a {type(param_group).__name__}")
        group = normalised(param_group, self.defaults, self._lambdas())
        inherited(super().add_param_group)(group)
        try:
            for parameter in group["params"]:
                check_layout(parameter, group["members"])
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise

    @eager
    def zero_grad(self, set_to_none: bool = True) -> None:
        """As torch.optim's."""
        inherited(super().zero_grad)(set_to_none)

    @eager
    def state_dict(self) -> dict[str, Any]:
        """As torch.optim's. A schedule that is a function is not in it, only that there was one."""
        handle = self.register_state_dict_post_hook(name_functions, prepend=True)
        try:
            found: dict[str, Any] = inherited(super().state_dict)()
            return found
        finally:
            handle.remove()

    @eager
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As torch.optim's, but that buffers keep their dtype and are copies: two optimizers that
        load one state, or one that loads another's, do not write into each other's.

        Keys that the state lacks, because an older version wrote it, stay as they are; lambdas of
        schemes that it did not know are 0. `weight_decay` follows from the lambdas.

        Raises ValueError for the state of another optimizer, of a population of another size, or
        with a schedule that is a function where this optimizer has none.
        """
        loaded: dict[str, Any] = {}

        def check(_: Optimizer, given: dict[str, Any]) -> dict[str, Any]:
            saved = given["param_groups"]
            if len(saved) == len(self.param_groups):
                saved = [
                    loadable(group, own, self._lambdas(), type(self).__name__)
                    for group, own in zip(saved, self.param_groups, strict=True)
                ]
            loaded.update({**given, "param_groups": saved})
            return loaded

        def finish(_: Optimizer) -> None:
            for group, saved in zip(self.param_groups, loaded["param_groups"], strict=True):
                group["schedule"] = saved["schedule"]  # itself: torch copies what a function holds
            # torch casts to the parameter's dtype: bfloat16 would lose what float32 buffers are for
            numbers = [number for group in loaded["param_groups"] for number in group["params"]]
            owners = [p for group in self.param_groups for p in group["params"]]
            for number, parameter in zip(numbers, owners, strict=True):
                for name, value in loaded["state"].get(number, {}).items():
                    if isinstance(value, Tensor) and name != "step":
                        kept = self.state[parameter][name]
                        if kept is value or kept.dtype != value.dtype:
                            self.state[parameter][name] = value.to(kept.device, copy=True)

        # after the hooks of others, which may convert a state, and before those that may look at it
        handles = [
            self.register_load_state_dict_pre_hook(check),
            self.register_load_state_dict_post_hook(finish, prepend=True),
        ]
        try:
            inherited(super().load_state_dict)(state_dict)
        finally:
            for handle in handles:
                handle.remove()

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
        self._gathering = Gathering()

    # torch.compile breaks its graph here: the step is one kernel already
    @eager
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
        work = self._gathering.work(self, active)
        kinds = [(batch.dtype, batch.device) for batch in work.batches]
        tables = {kind: _table(work.rows, *kind) for kind in dict.fromkeys(kinds)}
        apply(work.batches, work.owners, work.gradients, [tables[kind] for kind in kinds])
        for state, taken in work.steps:
            state["step"] = taken
        for group, acting, taken in work.groups:
            group.remember(acting, spread(taken, 1))
        return loss

    def plan(self, gradient_dtypes: Mapping[Tensor, torch.dtype] | None = None) -> Plan:
        """The steps from here on, cut into a host's and a device's part; see `Plan`."""
        self._adopt()
        return Plan(self, gradient_dtypes or {})

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

    def rows(
        self, group: Group, acting: Sequence[bool], steps: Sequence[int]
    ) -> list[tuple[float, ...]]:
        """A group's rows of the table at the next step, in float64: one per member.

        Args:
            group: one of the optimizer's, whose `settings` were asked for in this step.
            acting: [K], who takes the step.
            steps: [K], how many each has taken.

        Raises ValueError for a value in the group that is out of range.
        """
        lr, settings, peak = group.lr(), group.current, group["peak_lr"]
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

    def variant(self, group: Group) -> Variant:
        """The form of the rule that a group asks for."""
        return self._gathering.variant(self, group)

    def planned_batches(
        self, groups: Sequence[Group], gradient_dtypes: Mapping[Tensor, torch.dtype]
    ) -> tuple[list[Batch], list[list[int]]]:
        """See `Gathering.planned_batches`; for `Plan`."""
        return self._gathering.planned_batches(self, groups, gradient_dtypes)


def _table(rows: NDArray[np.float64], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Coefficients in the dtype of the arithmetic where it is done."""
    kind = np.float64 if dtype == torch.float64 else np.float32
    table = torch.from_numpy(rows.astype(kind))
    # else a GPU is waited for
    return table if device.type == "cpu" else table.to(device, non_blocking=True)
