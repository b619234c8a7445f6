"""What torch.compile leaves alone, without loading torch.compile.

`torch._disable_dynamo` imports torch._dynamo at the first call, which takes more than half as long
as torch itself. Before somebody else has imported it nothing is compiled, and there is nothing to
leave alone.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch.optim.optimizer import Optimizer

P = ParamSpec("P")
T = TypeVar("T")

add_param_group = inspect.unwrap(Optimizer.add_param_group)
load_state_dict = inspect.unwrap(Optimizer.load_state_dict)
state_dict = inspect.unwrap(Optimizer.state_dict)
zero_grad = inspect.unwrap(Optimizer.zero_grad)
"""torch.optim's, without its own `_disable_dynamo`: for methods that are `eager`."""


def eager(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function at which torch.compile breaks its graph, as does torch.optim's own."""
    disabled: Callable[P, T] = torch._disable_dynamo(function)  # type: ignore[attr-defined]

    @functools.wraps(function)
    def either(*args: P.args, **kwargs: P.kwargs) -> T:
        called = disabled if "torch._dynamo" in sys.modules else function
        return called(*args, **kwargs)

    return either
