"""Functions over device state that a GPU replays as CUDA graphs, once they have proved themselves.

A graph holds the kernels that a function launched and the addresses they used. Replaying it costs
the processor some microseconds, whatever the number of kernels; an update of the Nature network has
over a hundred. What is captured decides nothing on the host, and works on tensors that stay where
they are.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


class Program:
    """A function without arguments or result over tensors that it holds.

    Calling it runs it operator by operator until `capture`, and as a graph from then on.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self.function = function
        self._graph: torch.cuda.CUDAGraph | None = None

    @property
    def captured(self) -> bool:
        return self._graph is not None

    def __call__(self) -> None:
        if self._graph is None:
            self.function()
        else:
            self._graph.replay()

    def capture(self) -> None:
        """Record the function as a graph on the present stream.

        It must have run there before: that is when libraries take what they need.
        """
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
            self.function()
        self._graph = graph

    def release(self) -> None:
        """Run operator by operator again."""
        self._graph = None


def difference(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], tolerance: float
) -> str:
    """Which tensors differ most between two states of one shape, '' where none does.

    Args:
        expected, found: name to tensor.
        tolerance: of |found - expected| / |expected|, Euclidean norms in float64; integers must be
            equal. NaN equals NaN.
    """
    worst, text = 0.0, ""
    for name, value in expected.items():
        other = found[name]
        if torch.equal(value, other):
            continue
        wide, differing = value.double(), other.double()
        unequal = ~((wide == differing) | (wide.isnan() & differing.isnan()))
        apart = torch.where(unequal, differing - wide, 0).norm()
        relative = float(apart / wide.nan_to_num(0.0, 0.0, 0.0).norm().clamp(min=1e-30))
        allowed = tolerance if value.is_floating_point() else 0.0
        if not relative <= allowed and (not text or relative > worst):
            worst = relative
            text = f"{name} differs by {relative:.1e}, allowed is {allowed:.0e}"
    return text
