"""The registry of schemes: the ways in which weight decay enters an optimizer. Imports no torch.

Whatever shows, draws or checks a scheme reads it here; a new one is one entry, with its formula in
the optimizer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

BJORCK = "Bjorck, Weinberger and Gomes, AAAI 2021"
MOMENTS = ("exp_avg", "exp_avg_sq")
DECAY_MOMENTS = ("decay_exp_avg", "decay_exp_avg_sq")


@dataclass(frozen=True)
class Scheme:
    """One way in which lambda acts.

    Attributes:
        name: in code, flags, paths and tables.
        label: its name in the literature.
        sentence: what lambda does.
        source: where it was proposed.
        unit: by how much lambda alone moves a weight w per update, alpha the learning rate; empty
            where that depends on the gradients.
        buffers: what the optimizer keeps of each parameter.
        in_gradient: whether the decay is added to the gradient, and so is inside m.
        colour: in figures, as #RRGGBB; apart from the others' for colour-blind readers, too.
        marker: matplotlib's, where schemes share a panel; empty for none.
    """

    name: str
    label: str
    sentence: str
    source: str
    unit: str
    buffers: tuple[str, ...]
    in_gradient: bool
    colour: str
    marker: str


BASELINE = "none"
"""The scheme without decay and without a lambda, with which the others are compared."""

# In the order of tables and legends. The colours are Okabe and Ito's.
SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme(
            name=BASELINE,
            label="orig",
            sentence="no decay",
            source="Kingma and Ba, ICLR 2015",
            unit="",
            buffers=MOMENTS,
            in_gradient=False,
            colour="#000000",
            marker="",
        ),
        Scheme(
            name="l2",
            label="WD",
            sentence="lambda * w is added to the gradient and passes through the buffers",
            source="Kingma and Ba, ICLR 2015",
            unit="",
            buffers=MOMENTS,
            in_gradient=True,
            colour="#D55E00",
            marker="s",
        ),
        Scheme(
            name="decoupled",
            label="AdamW",
            sentence="w shrinks by alpha * lambda * w, outside the buffers",
            source="Loshchilov and Hutter, ICLR 2019",
            unit="alpha * lambda * w",
            buffers=MOMENTS,
            in_gradient=False,
            colour="#0072B2",
            marker="o",
        ),
        Scheme(
            name="separated",
            label="Algorithm 1",
            sentence="a second pair of buffers is fed with w; its Adam step is scaled by lambda",
            source=BJORCK,
            unit="about alpha * lambda * sign(w)",
            buffers=(*MOMENTS, *DECAY_MOMENTS),
            in_gradient=False,
            colour="#009E73",
            marker="^",
        ),
    )
}

# The type of a member's scheme, as the flags' reader needs it: what the registry holds when a
# process starts.
if TYPE_CHECKING:
    SchemeName = str
else:
    SchemeName = Literal[tuple(SCHEMES)]


def decaying() -> list[str]:
    """The schemes that have a lambda, in order."""
    return [name for name in SCHEMES if name != BASELINE]


def order(name: str) -> int:
    """The place of a scheme in tables and legends, from 0."""
    return list(SCHEMES).index(name)


def units_note(present: Iterable[str]) -> str:
    """The sentence that equal lambdas are not equal decay; empty where the schemes agree.

    Args:
        present: names of the schemes that stand beside each other.
    """
    named = set(present)
    units: dict[str, list[str]] = {}
    for scheme in SCHEMES.values():
        if scheme.name in named and scheme.unit:
            units.setdefault(scheme.unit, []).append(scheme.name)
    if len(units) < 2:
        return ""
    # the exception before the rule: the newest unit first
    (unit, first), *others = reversed(units.items())
    parts = [f"{' and '.join(first)} moves a weight by {unit} per update"]
    parts += [f"{' and '.join(names)} by {unit}" for unit, names in others]
    return f"lambda is not one unit: {', '.join(parts)}."
