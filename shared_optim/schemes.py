"""The schemes of weight decay by name. Imports no torch."""

from typing import Literal

Scheme = Literal["none", "l2", "decoupled", "separated"]
