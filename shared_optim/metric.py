"""What a logged number is: declared once, by who logs it; tables and figures read it here."""

import math
from dataclasses import dataclass
from typing import Literal

_LARGE = 1e9  # from here on a number has its power of ten
_LN_LARGEST = math.log(1e300)
_LN_SMALLEST = math.log(1e-40)  # smaller ratios are one bin of their histogram


@dataclass(frozen=True)
class Metric:
    """A number in the rows of a run.

    Attributes:
        key: under which rows have it.
        label: what a column of a table calls it.
        unit: what an axis says: the quantity with its unit. Two units change how a table shows a
            value: `%` is a share of 1, `ln` the natural logarithm of a ratio, which is shown
            itself; below 1e-40 a histogram does not tell ratios apart.
        decimals: digits after the point.
        better: which values are, `higher` or `lower`; empty where neither is.
        fallback: key shown where a run has no value under `key`; marked with its part before `/`.
    """

    key: str
    label: str
    unit: str = ""
    decimals: int = 2
    better: Literal["higher", "lower", ""] = ""
    fallback: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """Where a value is looked for, one after the other."""
        return (self.key, self.fallback) if self.fallback else (self.key,)

    def text(self, value: float) -> str:
        """A value as a table shows it: `12.35`, `62.5%`, `4.54e-05`, `1e+24`."""
        match self.unit:
            case "ln" if value > _LN_LARGEST:
                return ">1e300"
            case "%" if abs(value) < _LARGE:
                return f"{value:.{self.decimals}%}"
            case "ln" if value < _LN_SMALLEST:
                return "<1e-40"
            case "ln":
                return f"{math.exp(value):.{self.decimals}e}"
            case _ if abs(value) >= _LARGE:
                return f"{value:.3g}"
            case _:
                return f"{value:.{self.decimals}f}"
