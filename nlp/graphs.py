"""Functions captured as CUDA graphs: one launch in place of the thousand they are made of."""

from collections.abc import Callable
from typing import Any

import torch


class GraphPool:
    """GraphPool of functions that share one memory.

    What such a function reads from step to step, and what it leaves, are tensors made before it
    was captured; it asks the device for nothing. Each has been called once, by `call`, before it
    is captured: kernels are compiled and loaded then, and cuBLAS gets its workspace. Random numbers
    come from torch's default generator, to which every replay is told the seed of that moment.

    Args:
        device: a GPU, the current one.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool: Any = torch.cuda.graph_pool_handle()

    def call(self, function: Callable[[], None]) -> None:
        """Call it in the stream of the captures, where autograd expects its leaves."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            function()
        current.wait_stream(self._stream)

    def capture(self, function: Callable[[], None]) -> Callable[[], None]:
        """What replays it. The function's work is recorded, not done.

        GraphPool take each other's memory for what they do not leave behind, so no two may run at
        once: replay them all in one stream.
        """
        graph = torch.cuda.CUDAGraph()
        # a thread may be preparing batches meanwhile
        mode = "thread_local"
        with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode=mode):
            function()
        return graph.replay
