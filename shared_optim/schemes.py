"""The registry of schemes: the ways in which weight decay enters an optimizer. Imports no torch.

Whatever computes, shows, draws or checks a scheme reads it here; a new one is one entry. Its
formula says by how much it fills the places at which decay may enter a step, see `Terms`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

BJORCK = "Bjorck, Weinberger and Gomes, AAAI 2021"
MOMENTS = ("exp_avg", "exp_avg_sq")
DECAY_MOMENTS = ("decay_exp_avg", "decay_exp_avg_sq")


@dataclass(frozen=True)
class Terms:
    """Where decay enters a step, each with the number that it is multiplied by; they add up.

    With theta what the step reads, change what it would subtract without decay, and everything on
    the right at theta_{t-1}:

        g      = grad + gradient*theta
        change = the optimizer's step from g, alpha included
                 + alpha*apart*m'^/(sqrt(v'^)+eps)    with moments m', v' of theta itself
        theta  = (theta - change - shrink*theta - stable/sqrt(mean v^)*theta
                  - (aligned*theta where change*theta >= 0)) / (1 + divisor)
    """

    gradient: float = 0.0
    apart: float = 0.0
    shrink: float = 0.0
    aligned: float = 0.0
    stable: float = 0.0
    divisor: float = 0.0


TERMS = tuple(field.name for field in fields(Terms))

DecayFormula = Callable[[float, float, float], Terms]
"""The terms from s_t*lambda, alpha and the peak of alpha over the training."""


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
        formula: what it adds to a step.
        optimizers: that take it: `adam`, `sgd`.
        colour: in figures, as #RRGGBB; apart from the others' for colour-blind readers, too.
        marker: matplotlib's, where schemes share a panel; empty for none.
    """

    name: str
    label: str
    sentence: str
    source: str
    unit: str
    colour: str
    marker: str
    formula: DecayFormula
    optimizers: tuple[str, ...] = ("adam", "sgd")

    @property
    def terms(self) -> frozenset[str]:
        """The places of a step that it fills."""
        trial = self.formula(1.0, 1.0, 1.0)
        return frozenset(name for name in TERMS if getattr(trial, name))

    @property
    def needs_peak(self) -> bool:
        """Whether its formula reads the peak of alpha."""
        return self.formula(1.0, 1.0, 1.0) != self.formula(1.0, 1.0, 2.0)

    @property
    def buffers(self) -> tuple[str, ...]:
        """What Adam keeps of each parameter."""
        return (*MOMENTS, *DECAY_MOMENTS) if "apart" in self.terms else MOMENTS

    @property
    def in_gradient(self) -> bool:
        """Whether the decay is added to the gradient, and so is inside m."""
        return "gradient" in self.terms


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
            colour="#000000",
            marker="",
            formula=lambda decay, alpha, peak: Terms(),
        ),
        Scheme(
            name="l2",
            label="WD",
            sentence="lambda * w is added to the gradient and passes through the buffers",
            source="Kingma and Ba, ICLR 2015",
            unit="",
            colour="#D55E00",
            marker="s",
            formula=lambda decay, alpha, peak: Terms(gradient=decay),
        ),
        Scheme(
            name="decoupled",
            label="AdamW",
            sentence="w shrinks by alpha * lambda * w, outside the buffers",
            source="Loshchilov and Hutter, ICLR 2019",
            unit="alpha * lambda * w",
            colour="#0072B2",
            marker="o",
            formula=lambda decay, alpha, peak: Terms(shrink=decay * alpha),
        ),
        Scheme(
            name="separated",
            label="Algorithm 1",
            sentence="a second pair of buffers is fed with w; its Adam step is scaled by lambda",
            source=BJORCK,
            unit="about alpha * lambda * sign(w)",
            colour="#009E73",
            marker="^",
            formula=lambda decay, alpha, peak: Terms(apart=decay),
            optimizers=("adam",),
        ),
        Scheme(
            name="proximal",
            label="AdamProx",
            sentence="w is divided by 1 + alpha * lambda after the step",
            source="Zhuang, Liu, Cutkosky and Orabona, TMLR 2022",
            unit="alpha * lambda * w / (1 + alpha * lambda)",
            colour="#56B4E9",
            marker="D",
            formula=lambda decay, alpha, peak: Terms(divisor=decay * alpha),
        ),
        Scheme(
            name="stable",
            label="AdamS",
            sentence="decoupled decay, divided by the root of the mean of all second moments",
            source="Xie, Xu, Zhang, Sato and Sugiyama, NeurIPS 2023",
            unit="alpha * lambda * w / sqrt(mean v^)",
            colour="#E69F00",
            marker="v",
            formula=lambda decay, alpha, peak: Terms(stable=decay * alpha),
            optimizers=("adam",),
        ),
        Scheme(
            name="cautious",
            label="cautious AdamW",
            sentence="decoupled decay of those w alone which the step itself moves towards 0",
            source="Chen et al., Cautious Weight Decay, 2025",
            unit="alpha * lambda * w where the step agrees",
            colour="#CC79A7",
            marker="P",
            formula=lambda decay, alpha, peak: Terms(aligned=decay * alpha),
        ),
        Scheme(
            name="corrected",
            label="AdamC",
            sentence="decoupled decay that falls with the square of the learning rate",
            source="Defazio, Why Gradients Rapidly Increase Near the End of Training, 2025",
            unit="alpha^2 / max alpha * lambda * w",
            colour="#882255",
            marker="X",
            formula=lambda decay, alpha, peak: Terms(shrink=decay * alpha * (alpha / peak)),
        ),
    )
}


def decaying(optimizer: str = "adam") -> list[str]:
    """The schemes that have a lambda, in order, of those that an optimizer takes."""
    return [
        name
        for name, scheme in SCHEMES.items()
        if name != BASELINE and optimizer in scheme.optimizers
    ]


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
