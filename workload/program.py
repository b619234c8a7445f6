"""Functions over device state that a GPU replays as CUDA graphs, once they have proved themselves.

A graph holds the kernels that a function launched and the addresses they used. Replaying it costs
the processor some microseconds, whatever the number of kernels; an update of the Nature network has
over a hundred. What is captured decides nothing on the host, and works on tensors that stay where
they are.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from workload.difference import difference


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


class State(Protocol):
    """All that programs write, as it was when this was made."""

    def now(self) -> dict[str, Tensor]:
        """Copies, by name."""

    def put_back(self) -> None:
        """Everything as it was."""


def capture_problem(programs: Sequence[Program], state: State, tolerance: float) -> str:
    """Capture the programs; '' where they then do what their functions do, else what is wrong.

    Both run twice over, in order, from the same state, which is put back.

    Args:
        programs: on the present stream, which is not the default one.
        state: what they write.
        tolerance: see `difference`.
    """

    def twice() -> dict[str, Tensor]:
        for _ in range(2):
            for program in programs:
                program()
        after = state.now()
        state.put_back()
        return after

    expected = twice()
    try:
        for program in programs:
            program.capture()
        return difference(expected, twice(), tolerance)
    except RuntimeError as error:
        state.put_back()
        return str(error).splitlines()[0]
