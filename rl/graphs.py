"""Functions over device state that a GPU replays as CUDA graphs, once they have proved themselves.

A graph holds the kernels that a function launched and the addresses they used. Replaying it costs
the processor some microseconds, whatever the number of kernels; an update of the Nature network has
over a hundred. What is captured decides nothing on the host, and works on tensors that stay where
they are.
"""

from collections.abc import Callable

import torch


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
