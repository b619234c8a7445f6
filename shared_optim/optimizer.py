"""Adam with L2, decoupled and separated weight decay, for one network or a population of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

from shared_optim.groups import (
    acting_members,
    check_parameters,
    check_values,
    normalised,
    spread,
)
from shared_optim.kernel import ListUpdate, list_update
from shared_optim.layout import Flat
from shared_optim.plan import Plan
from shared_optim.update import coefficients

_LISTS = 16  # lists of parameters, as they get gradients together, whose launches are kept

PerMember = float | Sequence[float] | Tensor


class WeightDecayAdam(Optimizer):
    r"""Adam in which weight decay may enter in three ways, separately or together.

    At step t = 1, 2, ... with gradient :math:`\nabla` and everything on the right at
    :math:`\theta_{t-1}`::

        g     = grad + s_t*l2*theta
        m     = b1*m + (1-b1)*g             v  = b2*v + (1-b2)*g^2
        m'    = b1*m' + (1-b1)*theta        v' = b2*v' + (1-b2)*theta^2
        u     = m^/(sqrt(v^)+eps) + s_t*separated*m'^/(sqrt(v'^)+eps) + s_t*decoupled*theta
        theta = theta - lr*u                with x^ = x / (1 - b^t)

    * ``l2``: Adam on the loss plus l2/2*|theta|^2. In the buffers the decay can drown the gradient.
    * ``decoupled``: AdamW. Per step theta shrinks by the factor 1 - lr*decoupled.
    * ``separated``: Algorithm 1 of Bjorck et al.: the decay has buffers m', v' of its own. Its
      lambda is in absolute units, unlike ``decoupled``: theta moves by about
      lr*separated*sign(theta), whatever its size.

    Example::

        model = torch.nn.Linear(10, 1)
        optimizer = WeightDecayAdam(model.parameters(), lr=1e-3, separated=1e-4)
        for inputs, targets in [(torch.randn(32, 10), torch.randn(32, 1))]:
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(inputs), targets).backward()
            optimizer.step()

    Args:
        params: parameters, (name, parameter) pairs, or groups of them; see also `decay_groups`.
        lr: alpha, one number for all members; a tensor of one element will do.
        betas: decay rates b1, b2 of the moments, of both pairs of buffers.
        eps: added to the denominators of both terms.
        l2, decoupled, separated: the three lambdas, >= 0; see `lambdas` for scheme names. A
            sequence of K makes this the optimizer of a population: every parameter is then stacked
            [K, ...] and slice k follows lambda k, exactly as if it were optimized alone.
        schedule: s_t: ``always``, ``early:T``, ``late:T`` or ``stuttered:K``, or a sequence of K of
            them; see `Schedule`. m' and v' advance whatever the schedule says.
        eps_placement: ``outside`` adds eps to sqrt(v^) as torch and optax do; ``hat`` adds it to
            sqrt(v), before the bias correction, as TF1 and fairseq do: eps/sqrt(1-b2^t) outside.
        rounding: ``once`` rounds theta one time per step; ``torch`` rounds theta*(1-lr*decoupled)
            first, as torch.optim.AdamW does, which in float32 is no decay at all when
            lr*decoupled is below 3e-8.
        maximize: ascend the objective. Decay still shrinks the weights.
        compile: compile the update with torch.compile. Where no compiler works it runs eagerly,
            after one warning.

    All keyword values live in ``param_groups`` and may be changed between steps, by hand or by a
    learning rate scheduler, without recompilation; each step checks them.
    ``weight_decay`` there is the largest lambda at construction, for monitors to read.

    State per parameter: ``step`` (an int, or a list of K), ``exp_avg`` (m), ``exp_avg_sq`` (v),
    and where separated > 0 for some member ``decay_exp_avg`` (m') and ``decay_exp_avg_sq`` (v'),
    all in the parameter's dtype. Arithmetic is in float32 for narrower dtypes. When separated
    becomes positive later on, its buffers begin as if theta had stood still until then.

    Differs from torch.optim.Adam and AdamW in the rounding, and from Loshchilov and Hutter, whose
    decay is not multiplied by lr.

    A parameter without a gradient neither decays nor gets a state. Sparse gradients raise
    RuntimeError, complex parameters and values out of range ValueError.

    Sources: Bjorck, Weinberger and Gomes, "Understanding Decoupled and Early Weight Decay", AAAI
    2021, Algorithm 1; Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        l2: PerMember = 0.0,
        decoupled: PerMember = 0.0,
        separated: PerMember = 0.0,
        schedule: str | Sequence[str] = "always",
        eps_placement: Literal["outside", "hat"] = "outside",
        rounding: Literal["once", "torch"] = "once",
        maximize: bool = False,
        compile: bool = True,
    ) -> None:
        defaults = normalised(
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "l2": l2,
                "decoupled": decoupled,
                "separated": separated,
                "schedule": schedule,
                "eps_placement": eps_placement,
                "rounding": rounding,
                "maximize": maximize,
            },
            {},
        )
        # What a group's own lambdas make of it; the defaults' would contradict them.
        del defaults["weight_decay"]
        self.compile = compile
        self._flats: dict[int, Flat] = {}
        self._list_updates: dict[tuple[Any, ...], tuple[list[Flat], ListUpdate]] = {}
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        group = normalised(param_group, self.defaults)
        super().add_param_group(group)
        try:
            check_parameters(group["params"], group["members"])
        except ValueError:
            self.param_groups.pop()
            raise

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "compile": self.compile}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for group in state["param_groups"]:
            if "members" not in group:
                raise ValueError(
                    f"a parameter group with the keys {', '.join(group)} is another optimizer's; "
                    "only a state_dict of WeightDecayAdam can be loaded"
                )
            check_parameters(group["params"], group["members"])
        super().__setstate__(state)
        self._flats, self._list_updates = {}, {}

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
        batches = [batch for group in self.param_groups for batch in self._batches(group, active)]
        for batch in batches:
            self._update(batch)
        return loss

    def _on_gpu(self) -> bool:
        return any(p.is_cuda for group in self.param_groups for p in group["params"][:1])

    def plan(self) -> Plan:
        """The steps from here on, cut into a host's and a device's part; see `Plan`."""
        return Plan(self)

    def _batches(
        self, group: dict[str, Any], active: Sequence[bool] | Tensor | None
    ) -> Iterable[_Batch]:
        """The group's parameters with gradients, by dtypes, device, buffers and step counts."""
        check_values(group)
        members = group["members"]
        rows = members or 1
        acting = acting_members(active, members)
        decays_apart = any(spread(group["separated"], rows))
        batches: dict[tuple[Any, ...], _Batch] = {}
        for parameter in group["params"]:
            if (gradient := parameter.grad) is None:
                continue
            if gradient.layout != torch.strided:
                raise RuntimeError(
                    "WeightDecayAdam does not support sparse gradients "
                    f"(parameter of shape {tuple(parameter.shape)}): decay touches every weight"
                )
            state = self.state[parameter]
            flat = self.flat(parameter, group, decays_apart=decays_apart)
            steps = tuple(spread(state["step"], rows))
            key = (parameter.dtype, gradient.dtype, parameter.device, len(flat.buffers), steps)
            if (batch := batches.get(key)) is None:
                batch = batches[key] = _Batch(group, acting, steps, [], [], [])
            batch.states.append(state)
            batch.flats.append(flat)
            # Compiled code reads memory, in which a lazily negated gradient has the wrong sign.
            batch.gradients.append(flat.matrix(gradient.resolve_neg()))
        return batches.values()

    def flat(self, parameter: Tensor, group: dict[str, Any], *, decays_apart: bool) -> Flat:
        """The parameter's views, its state made first where needed; for `Plan`."""
        members, state = group["members"], self.state[parameter]
        if not state:
            state["step"] = [0] * members if members else 0
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        elif isinstance(state["step"], Tensor):  # as other optimizers keep it
            state["step"] = state["step"].long().tolist()
        if decays_apart and "decay_exp_avg" not in state:
            beta1, beta2 = group["betas"]
            t = torch.tensor(state["step"], dtype=torch.float64, device=parameter.device)
            t = t.view(-1, *[1] * (parameter.ndim - 1)) if members else t
            theta = parameter.double()
            state["decay_exp_avg"] = ((1 - beta1**t) * theta).to(parameter.dtype)
            state["decay_exp_avg_sq"] = ((1 - beta2**t) * theta**2).to(parameter.dtype)
        flat = self._flats.get(id(parameter))
        if flat is None or not flat.is_current(state):
            flat = self._flats[id(parameter)] = Flat.of(parameter, state, members)
        return flat

    def _update(self, batch: _Batch) -> None:
        group = batch.group
        parameter = batch.flats[0].parameter
        steps = [t + acts for t, acts in zip(batch.steps, batch.active, strict=True)]
        for flat in batch.flats:
            flat.read()
        table = coefficients(group, steps, batch.active, parameter.dtype)
        # else a GPU is waited for
        self._list_update(batch)(batch.gradients, table.to(parameter.device, non_blocking=True))
        for flat, state in zip(batch.flats, batch.states, strict=True):
            flat.write()
            state["step"] = list(steps) if group["members"] else steps[0]

    def _list_update(self, batch: _Batch) -> ListUpdate:
        gradient_dtype, rounding = batch.gradients[0].dtype, batch.group["rounding"]
        if batch.flats[0].theta.device.type == "cpu":
            return list_update(batch.flats, gradient_dtype, rounding, compiled=self.compile)
        # a GPU's is made once for a list of tensors
        key = (rounding, self.compile, *map(id, batch.flats))
        if key not in self._list_updates:
            if len(self._list_updates) >= _LISTS:
                self._list_updates.clear()
            made = list_update(batch.flats, gradient_dtype, rounding, compiled=self.compile)
            self._list_updates[key] = batch.flats, made
        return self._list_updates[key][1]


@dataclass(frozen=True)
class _Batch:
    """Parameters of one group that share a call of the kernel, and the steps taken so far [K]."""

    group: dict[str, Any]
    active: list[bool]
    steps: tuple[int, ...]
    states: list[dict[str, Any]]
    flats: list[Flat]
    gradients: list[Tensor]
