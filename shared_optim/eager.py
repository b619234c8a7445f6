"""What torch.compile leaves alone, without loading torch.compile.

`torch._disable_dynamo` imports torch._dynamo at the first call, which takes more than half as long
as torch itself. Before somebody else has imported it nothing is compiled, and there is nothing to
leave alone.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
from torch.optim.optimizer import Optimizer

P = ParamSpec("P")
T = TypeVar("T")

_TORCHS = {
    getattr(Optimizer, name): inspect.unwrap(getattr(Optimizer, name))
    for name in ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
}
"""torch.optim's methods without their own `_disable_dynamo`."""


def inherited(method: Any) -> Any:
    """A method of `super()` for one that is `eager`: torch.optim's without its decorator, somebody
    else's as it is."""
    function = _TORCHS.get(method.__func__)
    return method if function is None else function.__get__(method.__self__)


def eager(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function at which torch.compile breaks its graph, as does torch.optim's own."""
    disabled: Callable[P, T] = torch._disable_dynamo(function)  # type: ignore[attr-defined]

    @functools.wraps(function)
    def either(*args: P.args, **kwargs: P.kwargs) -> T:
        called = disabled if "torch._dynamo" in sys.modules else function
        return called(*args, **kwargs)

    return either
