"""Which curves the figures of Bjorck et al. show."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shared_optim.metric import Metric
from vision.exhibits.curves import CurveFigure
from vision.exhibits.variants import name_of
from vision.metrics import (
    ALONG,
    COS_NEG,
    COS_POS,
    CROSS,
    DISTANCE,
    GRADIENT_NORM,
    RAW_CROSS,
    RAW_SQUARE,
    SQUARE,
    TEST_ACCURACY,
    WEIGHT_NORM,
)
from workload.exhibits.record import Record

SCHEDULES = ("none", "always", "early", "late", "late, matched", "none, shuffled")
SCALED = tuple(f"none, norms of {kind}" for kind in ("always", "early", "late"))
MATCHED = ("none", "always", "early", "late", *SCALED)
BURSTS = ("stuttered", "skipped")
GROWING = ("none", "none, shuffled")


@dataclass(frozen=True)
class _Published:
    """A figure of the paper, by its number with batch normalisation and that without, if any; it
    is about runs of certain names, and is left out where there are none of them."""

    batch: int
    none: int | None
    title: str
    text: str
    metrics: tuple[Metric, ...]
    names: Sequence[str]
    rows: Literal["evaluations", "metrics"] = "evaluations"
    about: Sequence[str] = ()


_PUBLISHED = (
    _Published(
        *(1, 19, "Accuracy and weight norm"),
        "Test accuracy, and the norm of the weights, under schedules of decay",
        (TEST_ACCURACY, WEIGHT_NORM),
        SCHEDULES,
    ),
    _Published(
        *(3, None, "Norms of other runs"),
        "Runs without decay whose weights are scaled after every epoch to the norms of others, and "
        "these others",
        (TEST_ACCURACY, WEIGHT_NORM),
        MATCHED,
        about=SCALED,
    ),
    _Published(
        *(4, 20, "Growth of the norm"),
        "What an epoch's steps add to the square of the norm: their square and cross terms, and "
        "those of the raw gradients",
        (SQUARE, CROSS, RAW_SQUARE, RAW_CROSS),
        GROWING,
    ),
    _Published(
        *(5, 22, "Direction of the gradients"),
        "Cosine between the weights and the descent of l_pos, and of l_neg",
        (COS_POS, COS_NEG),
        GROWING,
        "metrics",
    ),
    _Published(
        *(8, 21, "Distance from the start"),
        "Distance from the initial weights",
        (DISTANCE,),
        GROWING,
    ),
    _Published(
        *(10, None, "Decay in bursts"),
        "Decay every so many updates: stuttered, as strong on average as always, and skipped, that "
        "many times weaker",
        (TEST_ACCURACY, WEIGHT_NORM),
        ("none", "always", *BURSTS),
        about=BURSTS,
    ),
    _Published(
        *(12, None, "Gradient norm"),
        "Norm of a batch's gradient",
        (GRADIENT_NORM,),
        GROWING,
        "metrics",
    ),
)


def published_figures(norm: Literal["batch", "none"]) -> list[CurveFigure]:
    """Those with batch normalisation, or those of the appendix without."""
    found = []
    for each in _PUBLISHED:
        number = each.batch if norm == "batch" else each.none
        if number is None:
            continue
        without = "" if norm == "batch" else ", without normalisation"

        def keep(record: Record, names: Sequence[str] = each.names) -> bool:
            return name_of(record) in names and record.values["norm"] == norm

        def about(record: Record, names: Sequence[str] = each.about or each.names) -> bool:
            return name_of(record) in names

        found.append(
            CurveFigure(
                name=f"figure{number}",
                title=f"{each.title}{without}",
                text=f"{each.text}{without} (Figure {number} of Bjorck et al.).",
                metrics=each.metrics,
                keep=keep,
                about=about,
                rows=each.rows,
            )
        )
    return found


def sharpness_along() -> CurveFigure:
    """Looks at sharpness during training, of all runs that had any."""
    return CurveFigure(
        name="sharpness_along",
        title="Sharpness during training",
        text="Looks at sharpness on 1,000 training images in eval mode: the mean loss under "
        "multiplicative noise less the loss, the Hessian's largest eigenvalue, its trace.",
        metrics=ALONG,
        keep=lambda record: True,
    )
