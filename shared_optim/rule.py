"""What one optimizer is: its coefficients, its formula over tensors, and the same formula in C."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Step = Callable[[Sequence[Tensor], Any, frozenset[str]], list[Tensor]]
"""The new theta and buffers, [K, n] each, from theta, gradient and buffers, from coefficients
[K, 1] each, and from the flags of a variant."""


@dataclass(frozen=True)
class UpdateRule:
    """One optimizer's arithmetic; the classes around it are the same for all.

    Attributes:
        name: of the optimizer, as schemes name it.
        buffers: all that it may keep of a parameter, in the order of its formula.
        coefficients: a NamedTuple of what the formula multiplies with, per member. Its first field
            is `active`: 1, or 0 for a member whose theta and buffers stay as they are.
        step: the formula. It is the definition: every kernel is tried against it, bit for bit.
        c: the same in C. The variables `theta`, `gradient`, the buffers and the coefficients are
            read before it, `theta` and the buffers written after it; `T` is their type and ROOT the
            correctly rounded square root. The macros HAS_<BUFFER> and <FLAG>, in capitals, are 0
            or 1.
    """

    name: str
    buffers: tuple[str, ...]
    coefficients: type[tuple[Any, ...]]
    step: Step
    c: str

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the coefficients, in order."""
        return self.coefficients._fields  # type: ignore[attr-defined,no-any-return]


@dataclass(frozen=True)
class Variant:
    """One form of a rule, of which a kernel is made.

    Attributes:
        rule: whose.
        buffers: names of the buffers that take part, in order.
        flags: what else tells one formula from another, e.g. `once`.
    """

    rule: UpdateRule
    buffers: tuple[str, ...]
    flags: frozenset[str]

    def __str__(self) -> str:
        return ", ".join([self.rule.name, *self.buffers, *sorted(self.flags)])
