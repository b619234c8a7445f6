"""Logistic regression on separable data: gradient descent tends to the max-margin direction.

    L(w) = mean_i log(1 + exp(-<w, z_i>)),    z_i = y_i x_i

Let m be the shortest vector with <m, z_i> >= 1; it is the sum of a_i z_i over the support vectors,
with a_i > 0. Descent without decay grows as m log t; with decay its limit is the minimiser of
L + lambda |w|^2/2, which grows as m log(1/lambda) when lambda falls. Either way exp(-<w, z_i>) on
the support vectors is in proportion to a_i, so w is in the end on the line

    <w, z_i> = r - log a_i  for both support vectors z_i,

and in two dimensions the angle between w and m tends to (distance of that line from 0) / |w|: as
1/log t, as 1/log(1/lambda), and nothing in it is fitted.

Sources: Soudry, Hoffer, Nacson, Gunasekar, Srebro, "The Implicit Bias of Gradient Descent on
Separable Data", JMLR 2018; Rosset, Zhu, Hastie, "Margin Maximizing Loss Functions", NIPS 2003.
"""

from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.theory.study import Study
from workload.errors import UserError
from workload.exhibits.document import Picture
from workload.exhibits.drawing import (
    STYLES,
    Style,
    legend,
    legend_lines,
    logarithmic,
    panels,
    picture,
)
from workload.progress import StageProgress

TEXT = "logistic regression on separable points: the angle to the max-margin direction"
DESCRIPTION = (
    "Gradient descent on separable logistic regression in the plane, with decay and without: the "
    "angle to the max-margin direction, beside its closed form."
)
POINTS = 40
_LOOKS_PER_DECADE = 8
_COLOURS = ("#000000", "#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#56B4E9")

Array = NDArray[np.float64]


def separable_points(seed: int, points: int = POINTS) -> Array:
    """z_i = y_i x_i, [points, 2]: two support vectors on the line of margin 1, on either side of
    the max-margin direction, the others beyond margin 1.5; turned by a random angle."""
    random = np.random.default_rng(seed)
    sides = np.array([-random.uniform(0.5, 1.5), random.uniform(1.5, 3.0)])
    support = np.stack([np.ones(2), sides], 1)
    others = np.stack(
        [random.uniform(1.5, 4.0, points - 2), random.uniform(0.0, 4.0, points - 2)], 1
    )
    turn = random.uniform(0, 2 * np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    turned: Array = np.concatenate([support, others]) @ np.array([[cos, sin], [-sin, cos]])
    return turned


def max_margin(points: Array) -> Array:
    """m, [2]: the shortest vector with <m, z_i> >= 1 for all i, by scipy's SLSQP.

    Raises:
        UserError: there is none: the points are not separable.
    """
    from scipy.optimize import minimize

    found = minimize(
        lambda m: m @ m / 2,
        x0=points.mean(0),
        jac=lambda m: m,
        constraints={"type": "ineq", "fun": lambda m: points @ m - 1, "jac": lambda m: points},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    if not found.success or (points @ found.x).min() < 1 - 1e-6:
        raise UserError("the points are not separable by a line through 0")
    return np.asarray(found.x)


@dataclass(frozen=True)
class Limit:
    """The line that w comes to.

    Attributes:
        direction: m/|m|, [2].
        offset: where the line is nearest to 0, at a right angle to m, [2].
    """

    direction: Array
    offset: Array

    @property
    def angle_times_norm(self) -> float:
        """What angle * |w| tends to, in radians."""
        return float(np.linalg.norm(self.offset))


def limit(points: Array) -> Limit:
    """The line in closed form, for points of the plane with two support vectors.

    Raises:
        UserError: they have another number of support vectors.
    """
    m = max_margin(points)
    support = points[points @ m < 1 + 1e-6]
    if len(support) != 2:
        raise UserError(f"there are {len(support)} support vectors where 2 are needed")
    weights = np.linalg.solve(support.T, m)  # a
    on_line = np.linalg.solve(support, -np.log(weights))
    direction = m / np.linalg.norm(m)
    return Limit(direction, on_line - (on_line @ direction) * direction)


def angle(w: Array, direction: Array) -> float:
    """Between w and a unit vector of the plane, in radians; exact where it is small."""
    across = abs(w[0] * direction[1] - w[1] * direction[0])
    return float(np.arctan2(across, w @ direction))


def gradient(w: Array, points: Array) -> Array:
    """Of L, [2]: -mean_i z_i / (1 + exp(<w, z_i>))."""
    from scipy.special import expit

    return np.asarray(-expit(-(points @ w)) @ points / len(points))


def descend(points: Array, learning_rate: float, decay: float, looks: Sequence[int]) -> Array:
    """Gradient descent from 0, w -= alpha*(gradient + lambda*w): w after these many steps,
    [looks, 2]."""
    w, done, seen = np.zeros(points.shape[1]), 0, []
    for until in looks:
        for _ in range(until - done):
            w = w - learning_rate * (gradient(w, points) + decay * w)
        done = until
        seen.append(w)
    return np.array(seen)


def flow(points: Array, decay: float, times: Array) -> Array:
    """Gradient flow from 0, dw/dt = -gradient - lambda*w, what descent follows in small steps with
    t = alpha * steps: w at these times, rising, [times, 2]. It reaches times that no loop does."""
    from scipy.integrate import solve_ivp

    # in s = log(1 + t), in which w moves at an even pace
    def slope(s: float, w: Array) -> Array:
        return np.asarray(-np.exp(s) * (gradient(w, points) + decay * w))

    ends = np.log1p(times)
    solved = solve_ivp(
        slope,
        (0.0, float(ends[-1])),
        np.zeros(points.shape[1]),
        method="LSODA",
        t_eval=ends,
        rtol=1e-9,
        atol=1e-11,
    )
    return np.asarray(solved.y.T)


def minimiser(points: Array, decay: float, start: Array) -> Array:
    """Of L + lambda |w|^2/2, [2], by Newton's method with halved steps.

    Raises:
        UserError: it does not converge.
    """
    from scipy.special import expit

    # over lambda: numbers of the size of w
    def slope(w: Array) -> Array:
        return gradient(w, points) / decay + w

    w = start
    for _ in range(200):
        p = expit(-(points @ w))
        scaled = points * (p * (1 - p) / (len(points) * decay))[:, None]
        step = np.linalg.solve(points.T @ scaled + np.eye(len(w)), slope(w))
        size = 1.0
        while np.linalg.norm(slope(w - size * step)) > np.linalg.norm(slope(w)) and size > 1e-9:
            size /= 2
        w = w - size * step
        if np.linalg.norm(step) < 1e-12 * np.linalg.norm(w):
            return w
    raise UserError(f"the minimum with decay {decay:g} was not found")


def add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--decays", type=float, nargs="+", default=(1e-2, 1e-4, 1e-6, 1e-8), metavar="LAMBDA",
        help="of L2, beside none",
    )  # fmt: skip
    parser.add_argument("--learning_rate", "--learning-rate", type=float, default=0.2, metavar="LR")
    parser.add_argument(
        "--steps", type=int, default=100_000, metavar="N",
        help="of gradient descent; default %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--time", type=float, default=1e12, metavar="T",
        help="learning rate times steps up to which gradient flow goes on; default %(default)g",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the points")


def check(values: Any) -> None:
    """Raise UserError for flags that have no meaning."""
    for decay in values.decays:
        if not 1e-12 <= decay < np.inf:
            raise UserError(f"decays: {decay} is not a number of 1e-12 or more")
    rate = values.learning_rate
    if not 0 < rate < np.inf:
        raise UserError(f"learning_rate: {rate} is not a number above 0")
    if values.steps < 1:
        raise UserError(f"steps: {values.steps} is not above 0")
    if not rate * values.steps <= values.time <= 1e30:
        raise UserError(
            f"time: {values.time:g} is not between learning rate times steps, "
            f"{rate * values.steps:g}, and 1e30"
        )
    if values.seed < 0:
        raise UserError(f"seed: {values.seed} is negative")


def study(values: Any, show: StageProgress) -> Study:
    """Descend, flow on, and minimise with each decay."""
    points = separable_points(values.seed)
    line = limit(points)
    rate, decays = values.learning_rate, sorted(set(values.decays), reverse=True)
    curvature = np.linalg.eigvalsh(points.T @ points / (4 * len(points)))[-1] + decays[0]
    if rate * curvature >= 2:
        raise UserError(
            f"learning_rate: {rate:g} is not below {2 / curvature:.3g}, 2 over the largest "
            "curvature of the loss"
        )
    looks = _even(values.steps)
    descended = descend(points, rate, 0.0, looks)
    times = np.geomspace(rate, values.time, 200)
    paths = {}
    for done, decay in enumerate([0.0, *decays]):
        show("decay", done, len(decays) + 1)
        paths[decay] = flow(points, decay, times)
    minima, w = {}, np.zeros(2)
    for decay in sorted({*decays, *np.geomspace(1e-1, decays[-1], 40)}, reverse=True):
        w = minima[decay] = minimiser(points, decay, w)
    walked = rate * np.array(looks)

    def row(name: str, at: str, w: Array, log: float) -> list[str]:
        own, norm = angle(w, line.direction), float(np.linalg.norm(w))
        return [
            name, at, f"{norm:.2f}", f"{own:.5f}", f"{own * norm:.4f}",
            f"{line.angle_times_norm:.4f}", f"{own * log:.3f}",
        ]  # fmt: skip

    rows = []
    for name, t, ws in (
        ("descent", walked[::-1][::16][::-1], descended[::-1][::16][::-1]),
        ("flow", times[::-1][::33][::-1], paths[0.0][::-1][::33][::-1]),
    ):
        rows += [
            row(name, f"t = {each:.3g}", w, np.log(each))
            for each, w in zip(t, ws, strict=True)
            if each > 1
        ]
    rows += [
        row("minimiser", f"lambda = {decay:g}", minima[decay], -np.log(decay)) for decay in decays
    ]
    return Study(
        head=("w", "at", "norm", "angle", "angle * norm", "its limit", "angle * log"),
        rows=rows,
        notes=(
            f"{POINTS} separable points of the plane. Angles to the max-margin direction in "
            "radians; descent and flow: without decay, at t = learning rate * steps;",
            "minimiser: of the loss with decay lambda. log is log t or log(1/lambda). The limit of "
            "angle * norm is in closed form.",
        ),
        data={
            "points": points.tolist(),
            "direction": line.direction.tolist(),
            "angle_times_norm": line.angle_times_norm,
            "learning_rate": rate,
            "descent": {"steps": looks, "w": descended.tolist()},
            "flow": [
                {"decay": decay, "t": times.tolist(), "w": path.tolist()}
                for decay, path in paths.items()
            ],
            "minimisers": [{"decay": decay, "w": w.tolist()} for decay, w in minima.items()],
        },
        picture=_figure(walked, descended, times, paths, minima, line),
    )


def _even(steps: int) -> list[int]:
    """Numbers of steps up to this one, as many in every decade."""
    count = max(2, round(_LOOKS_PER_DECADE * np.log10(max(steps, 10))))
    return sorted({int(step) for step in np.geomspace(1, steps, count).round()})


def _figure(
    walked: Array,
    descended: Array,
    times: Array,
    paths: dict[float, Array],
    minima: dict[float, Array],
    line: Limit,
) -> Picture:
    from matplotlib.lines import Line2D

    def angles(ws: Iterable[Array]) -> list[float]:
        return [angle(w, line.direction) for w in ws]

    colours = {decay: _COLOURS[nth % len(_COLOURS)] for nth, decay in enumerate(paths)}
    handles = [
        Line2D([], [], color=colour, label=f"decay {decay:g}" if decay else "no decay")
        for decay, colour in colours.items()
    ]
    dots: Style = {"color": "#000000", "marker": "o", "markersize": 2, "linestyle": "none"}
    grey: Style = {"color": "#555555", "linestyle": STYLES[3]}
    handles.append(Line2D([], [], label="gradient descent", **dots))
    handles.append(Line2D([], [], label="closed form", **grey))
    figure, axes = panels(1, 3, 2.0, gap=0.55, lines=legend_lines(handles))
    for decay, path in paths.items():
        axes[0].plot(times, angles(path), color=colours[decay])
        axes[1].plot(np.linalg.norm(path, axis=1), angles(path), color=colours[decay])
    axes[0].plot(walked, angles(descended), **dots)
    decays = np.array(list(minima))
    norms = np.linalg.norm(np.array(list(minima.values())), axis=1)
    axes[2].plot(decays, angles(minima.values()), color="#000000")
    axes[2].plot(decays, np.arctan(line.angle_times_norm / norms), **grey)
    axes[2].invert_xaxis()
    norms = np.linspace(1, np.linalg.norm(paths[0.0][-1]), 200)
    axes[1].plot(norms, np.arctan(line.angle_times_norm / norms), **grey)
    for panel, title, label in (
        (axes[0], "on the way", "learning rate * steps"),
        (axes[1], "over the norm", "norm of w"),
        (axes[2], "minimum with decay", "lambda, falling"),
    ):
        panel.set_title(title)
        panel.set_xlabel(label)
        logarithmic(panel, "y")
        if panel is not axes[1]:
            logarithmic(panel, "x")
    axes[0].set_ylabel("angle, radians")
    legend(figure, handles)
    return picture(
        "max_margin",
        "Max-margin direction",
        "Angle between w and the max-margin direction, on the way and at the minimum.",
        figure,
    )
