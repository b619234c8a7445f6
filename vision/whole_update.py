"""An update as one function over tensors that stay where they are, for a GPU to replay as a graph.

From where a batch's images lie to the sums of growth it decides nothing on the host: crops, passes,
the optimizer's step and what is counted. It is the arithmetic of `VisionModule.training_step` and
of an update by Lightning, and is tried against itself, called operator by operator, before any
graph is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vision.radial import negative_loss
from workload import counter
from workload.inbox import Inbox
from workload.program import Program, capture_problem

if TYPE_CHECKING:
    from vision.module import VisionModule

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2}
"""How far two updates by a graph may be from two without, relative to a tensor's norm. A graph that
misses its images, a gradient or a step is off by about 1."""


class WholeUpdate:
    """The updates of a module on batches of one size.

    Args:
        module: in training mode, on its device; its optimizer takes no gradients of others.
        size: images per update.
        keeps_gradients: whether they are wanted after an update, for a look inside.

    Attributes:
        loss: of the last update, float32.
        gradients, negative: of the last update, of the loss and of `negative_loss`, by parameter;
            empty where they are not kept.
    """

    def __init__(self, module: VisionModule, size: int, *, keeps_gradients: bool = False) -> None:
        self._module = module
        device = module.data.labels.device
        self._plan = module.optimizer.plan()
        self._measures = self._plan.measure(list(module.growth.groups.values()))
        self._names = {p: name for name, p in module.model.named_parameters()}
        self._inbox = Inbox(
            {
                "stream": ((), np.int64),
                "rate": ((), np.float64),
                "coefficients": (module.optimizer.table_shape, np.float32),
            },
            device,
        )
        kept = self._plan.parameters if keeps_gradients else []
        self.gradients, self.negative = ({p: torch.zeros_like(p) for p in kept} for _ in range(2))
        self._places = torch.arange(size, device=device)
        self.loss = torch.zeros((), device=device)
        self._program = Program(self._run)

    def __call__(self, places: Tensor, stream: int, rate: float) -> None:
        """Update the module's weights, statistics, optimizer and sums.

        Args:
            places: int64 [B], where the images of the batch lie.
            stream: of the random numbers of crops and mirrors.
            rate: the optimizer's learning rate.
        """
        self._tell(stream, rate)
        self._places.copy_(places)
        self._program()
        self._plan.advance()

    def capture(self) -> str:
        """Replay a graph from here on; returns what differs where that cannot be, else ''."""
        module = self._module
        device = self._places.device
        self._tell(0, float(module.optimizer.param_groups[0]["lr"]))
        stream: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            state = _State(self._written(), stream)
            found = capture_problem([self._program], state, TOLERANCE[module.arithmetic])
        torch.cuda.current_stream(device).wait_stream(stream)
        return found

    def _tell(self, stream: int, rate: float) -> None:
        host = self._inbox.host
        self._inbox.open()
        host["stream"][...] = counter.signed(stream)
        host["rate"][...] = rate
        host["coefficients"][:] = self._plan.coefficients().numpy()
        self._inbox.send()

    def _run(self) -> None:
        module, sent = self._module, self._inbox.tensors
        images, labels = module.batch(self._places, sent["stream"])
        logits = module.logits(images)
        loss, parameters = module.loss(logits, labels), self._plan.parameters
        if self.negative:
            negative = torch.autograd.grad(negative_loss(logits), parameters, retain_graph=True)
            torch._foreach_copy_(list(self.negative.values()), negative)
        gradients = torch.autograd.grad(loss, parameters)
        if self.gradients:
            torch._foreach_copy_(list(self.gradients.values()), gradients)
        if self._measures:
            self._plan.apply(gradients, sent["coefficients"])
            module.growth.add(sent["rate"], self._plan.products)
        else:
            module.growth.before_step()
            self._plan.apply(gradients, sent["coefficients"])
            named = dict(zip(parameters, gradients, strict=True))
            of_growth = [named.get(p) for p in module.growth.parameters]
            module.growth.after_step(sent["rate"], of_growth)
        module.count(loss, logits, labels)
        self.loss.copy_(loss.detach())

    def _written(self) -> dict[str, Tensor]:
        module = self._module
        tensors: dict[str, Tensor] = {
            "the loss": self.loss,
            "sums since the last row": module.window,
            "sums of the epoch": module.epoch_sums,
            "sums of growth": module.growth.sums,
            **module.model.state_dict(),
        }
        for parameter, name in self._names.items():
            if self.gradients:
                tensors[f"gradient of {name}"] = self.gradients[parameter]
                tensors[f"negative gradient of {name}"] = self.negative[parameter]
            for key, value in module.optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"{key} of {name}"] = value
        return tensors


class _State:
    """Tensors, as they were when this was made."""

    def __init__(self, written: dict[str, Tensor], stream: Any) -> None:
        self._written, self._stream = written, stream
        self._before = self.now()

    def now(self) -> dict[str, Tensor]:
        self._stream.synchronize()
        return {name: tensor.clone() for name, tensor in self._written.items()}

    @torch.no_grad()
    def put_back(self) -> None:
        for name, tensor in self._written.items():
            tensor.copy_(self._before[name])
