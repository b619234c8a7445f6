"""The diagonal linear net: large steps, weight decay, and how long a training is.

    f(x) = <u*v, x>,    L = mean_i (f(x_i) - y_i)^2 / 2,    w = u*v

The simplest net whose training chooses among many solutions: fewer samples than features, and a
sparse truth. L2 decay of u and v is an L1 penalty on w, since min (u^2 + v^2)/2 at u*v = w is |w|.
Its Hessian's trace has a closed form anywhere. Source: Andriushchenko et al., "SGD with Large Step
Sizes Learns Sparse Features", ICML 2023.
"""

from argparse import ArgumentParser
from collections.abc import Sequence
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
    draw_mean,
    legend,
    legend_lines,
    logarithmic,
    panels,
    picture,
)
from workload.exhibits.series import Curves
from workload.progress import StageProgress

TEXT = "u*v on sparse regression: learning rates and decays, test error and trace of the Hessian"
DESCRIPTION = (
    "Train a diagonal linear net on sparse regression by SGD with one sample per step, over "
    "learning rates and decays and with two controls."
)
SAMPLES, FEATURES, NONZERO, START = 80, 200, 10, 0.1
DROP_TO = 0.1
"""What the learning rate is multiplied with at half of the steps."""
LOOKS = 120
_AHEAD = 500  # steps whose samples are gathered at once
_COLOURS = ("#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#56B4E9", "#000000")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Regression:
    """Linear regression without noise.

    Attributes:
        inputs: [n, d].
        targets: [n], inputs @ truth.
        truth: [d], few numbers other than 0.
    """

    inputs: Array
    targets: Array
    truth: Array

    def loss(self, u: Array, v: Array) -> float:
        """mean_i (<u*v, x_i> - y_i)^2 / 2."""
        return float(np.mean((self.inputs @ (u * v) - self.targets) ** 2) / 2)

    def test_error(self, u: Array, v: Array) -> float:
        """E (<u*v, x> - <truth, x>)^2 over all x ~ N(0, I): |u*v - truth|^2. At w = 0 it is 1."""
        return float(np.sum((u * v - self.truth) ** 2))

    def hessian_trace(self, u: Array, v: Array) -> float:
        """Tr of the Hessian of L by (u, v): sum_j mean_i(x_ij^2) (u_j^2 + v_j^2), anywhere. The
        residuals enter outside of the diagonal only."""
        return float(np.mean(self.inputs**2, 0) @ (u**2 + v**2))


def sparse_regression(
    seed: int, samples: int = SAMPLES, features: int = FEATURES, nonzero: int = NONZERO
) -> Regression:
    """Inputs N(0, 1); `nonzero` numbers of the truth are +-1/sqrt(nonzero)."""
    random = np.random.default_rng([seed, 0])
    inputs = random.normal(size=(samples, features))
    truth = np.zeros(features)
    places = random.choice(features, nonzero, replace=False)
    truth[places] = random.choice([-1.0, 1.0], nonzero) / np.sqrt(nonzero)
    return Regression(inputs, inputs @ truth, truth)


@dataclass(frozen=True)
class Setting:
    """How a net is trained.

    Attributes:
        learning_rate: alpha of the first half; the second has DROP_TO times as much.
        decay: lambda of L2.
        steps: how many.
        control: what of the largest learning rate's run it matches; empty where it is none.
    """

    learning_rate: float
    decay: float
    steps: int
    control: str = ""

    @property
    def label(self) -> str:
        text = f"lr {self.learning_rate:g}, decay {self.decay:g}"
        return f"{text} ({self.control})" if self.control else text


@dataclass(frozen=True)
class Training:
    """A setting with every seed: each [seeds, looks], the looks at these shares of its steps."""

    setting: Setting
    shares: Array
    loss: Array
    test_error: Array
    trace: Array

    @property
    def plateau(self) -> Array:
        """Mean loss in the last tenth of the steps before the learning rate drops, [seeds]."""
        drop = self.shares[self._drop]
        return np.asarray(self.loss[:, (self.shares >= 0.9 * drop) & (self.shares <= drop)].mean(1))

    @property
    def trace_before_drop(self) -> Array:
        """The trace when the learning rate drops, [seeds]."""
        return np.asarray(self.trace[:, self._drop])

    @property
    def _drop(self) -> int:
        return int(np.flatnonzero(self.shares <= 0.5)[-1])


def settings(learning_rates: Sequence[float], decays: Sequence[float], steps: int) -> list[Setting]:
    """Every learning rate with every decay, and the controls: the smallest learning rate with the
    largest one's decay per run, alpha*lambda*steps, by a larger lambda and by more steps."""
    found = [Setting(rate, decay, steps) for decay in decays for rate in learning_rates]
    small, large, decay = min(learning_rates), max(learning_rates), max(decays)
    if small < large and decay:
        ratio = large / small
        found += [
            Setting(small, decay * ratio, steps, "decay matched"),
            Setting(small, decay, round(steps * ratio), "time matched"),
        ]
    return found


def train(
    problems: Sequence[Regression],
    chosen: Sequence[Setting],
    show: StageProgress = lambda stage, done, total: None,
) -> list[Training]:
    """Train each setting on each problem, from u = START, v = 0, where w = 0.

    All run side by side. Seed s draws the same samples for every setting, one per step.

    Args:
        problems: one per seed, of equal shapes.
        chosen: settings of equal steps.
        show: told how many steps are done.
    """
    steps, seeds, count = chosen[0].steps, len(problems), len(chosen)
    samples, features = problems[0].inputs.shape
    inputs = np.stack([problem.inputs for problem in problems])
    targets = np.stack([problem.targets for problem in problems])
    orders = [np.random.default_rng([seed, 1]) for seed in range(seeds)]
    u = np.full((count, seeds, features), START)
    v = np.zeros((count, seeds, features))
    rates = np.array([setting.learning_rate for setting in chosen])[:, None, None]
    decays = np.array([setting.decay for setting in chosen])[:, None, None]
    looks = sorted({round(steps * share) for share in np.linspace(0, 1, LOOKS + 1)} | {steps // 2})
    seen = np.empty((3, count, seeds, len(looks)))
    rows = np.arange(seeds)[:, None]
    done = 0
    with np.errstate(over="ignore", invalid="ignore"):  # what diverges is shown as such
        for look, until in enumerate(looks):
            while done < until:
                ahead = min(_AHEAD, until - done)
                places = np.stack([order.integers(0, samples, ahead) for order in orders])
                xs = inputs[rows, places].swapaxes(0, 1)  # [ahead, seeds, features]
                ys = targets[rows, places].T[..., None]
                alpha = rates if done < steps // 2 else DROP_TO * rates
                kept = 1 - alpha * decays
                for x, y in zip(xs, ys, strict=True):
                    step = alpha * ((x * u * v).sum(-1, keepdims=True) - y) * x
                    u, v = kept * u - step * v, kept * v - step * u
                done += ahead
                show("steps", done, steps)
            seen[..., look] = _looked(problems, u, v)
    shares = np.array(looks) / steps
    return [Training(setting, shares, *seen[:, nth]) for nth, setting in enumerate(chosen)]


def _looked(problems: Sequence[Regression], u: Array, v: Array) -> Array:
    """Loss, test error and trace of [settings, seeds, features] nets: [3, settings, seeds]."""
    seen = [
        [
            (problem.loss(*net), problem.test_error(*net), problem.hessian_trace(*net))
            for problem, *net in zip(problems, *of_setting, strict=True)
        ]
        for of_setting in zip(u, v, strict=True)
    ]
    return np.moveaxis(np.array(seen), -1, 0)


def add_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--learning_rates", "--learning-rates", type=float, nargs="+", metavar="LR",
        default=(0.005, 0.02, 0.03, 0.04),
    )  # fmt: skip
    parser.add_argument(
        "--decays", type=float, nargs="+", default=(0.0, 1e-3), metavar="LAMBDA", help="of L2"
    )
    parser.add_argument(
        "--steps", type=int, default=60_000, metavar="N",
        help="the learning rate drops to a tenth at half of them; default %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=int, default=5, metavar="N",
        help="each with a problem of its own; default %(default)s",
    )  # fmt: skip


def check(values: Any) -> None:
    """Raise UserError for flags that have no meaning."""
    for rate in values.learning_rates:
        if not 0 < rate < np.inf:
            raise UserError(f"learning_rates: {rate} is not a number above 0")
    for decay in values.decays:
        if not 0 <= decay < np.inf:
            raise UserError(f"decays: {decay} is not a number of 0 or more")
    if values.steps < 2:
        raise UserError(f"steps: {values.steps} cannot be halved; 2 or more are needed")
    if values.seeds < 1:
        raise UserError(f"seeds: {values.seeds} is not above 0")


def study(values: Any, show: StageProgress) -> Study:
    """Train all settings, the longer control on its own."""
    problems = [sparse_regression(seed) for seed in range(values.seeds)]
    chosen = settings(
        list(dict.fromkeys(values.learning_rates)), list(dict.fromkeys(values.decays)), values.steps
    )
    trainings = []
    for steps in dict.fromkeys(setting.steps for setting in chosen):
        trainings += train(problems, [s for s in chosen if s.steps == steps], show)
    first = trainings[0]
    return Study(
        head=(
            "setting", "steps", "plateau", "test error", "over the first", "Tr H at drop", "Tr H"
        ),
        rows=[_row(training, first) for training in trainings],
        notes=(
            f"n = {SAMPLES}, d = {FEATURES}, {NONZERO} nonzero, batch 1; mean over "
            f"{values.seeds} seeds [lowest, highest]. plateau: training loss before the learning "
            "rate drops;",
            "over the first: test error over that of the first row, seed by seed. decay matched, "
            "time matched: alpha*lambda*steps of the largest learning rate, by lambda, by steps.",
        ),
        data={
            "samples": SAMPLES,
            "features": FEATURES,
            "nonzero": NONZERO,
            "trainings": [
                {
                    "learning_rate": training.setting.learning_rate,
                    "decay": training.setting.decay,
                    "steps": training.setting.steps,
                    "control": training.setting.control,
                    "plateau": training.plateau.tolist(),
                    "share_of_steps": training.shares.tolist(),
                    "loss": training.loss.tolist(),
                    "test_error": training.test_error.tolist(),
                    "hessian_trace": training.trace.tolist(),
                }
                for training in trainings
            ],
        },
        picture=_figure(trainings),
    )  # fmt: skip


def _row(training: Training, first: Training) -> list[str]:
    final = training.test_error[:, -1]
    if not np.isfinite(final).all():
        return [training.setting.label, str(training.setting.steps), *["diverged"] * 5]
    return [
        training.setting.label,
        f"{training.setting.steps:,}",
        f"{training.plateau.mean():.1e} [{training.plateau.min():.0e}, "
        f"{training.plateau.max():.0e}]",
        _spread(final, ".4f"),
        _spread(final / first.test_error[:, -1], ".2f"),
        f"{training.trace_before_drop.mean():.2f}",
        _spread(training.trace[:, -1], ".2f"),
    ]


def _spread(values: Array, form: str) -> str:
    return f"{values.mean():{form}} [{values.min():{form}}, {values.max():{form}}]"


def _styles(chosen: Sequence[Setting]) -> dict[str, Style]:
    """Colour by learning rate, line by decay, the largest solid; controls in grey."""
    rates = sorted({setting.learning_rate for setting in chosen})
    decays = sorted({setting.decay for setting in chosen if not setting.control}, reverse=True)
    styles: dict[str, Style] = {}
    for setting in chosen:
        if setting.control:
            line = STYLES[2 if setting.control == "decay matched" else 3]
            styles[setting.label] = {"color": "#555555", "linestyle": line}
        else:
            colour = _COLOURS[rates.index(setting.learning_rate) % len(_COLOURS)]
            line = STYLES[decays.index(setting.decay) % len(STYLES)]
            styles[setting.label] = {"color": colour, "linestyle": line}
    return styles


def _figure(trainings: Sequence[Training]) -> Picture:
    from matplotlib.lines import Line2D

    styles = _styles([training.setting for training in trainings])
    handles = [Line2D([], [], label=label, **style) for label, style in styles.items()]
    figure, axes = panels(1, 3, 2.0, gap=0.5, lines=legend_lines(handles))
    titles = {"loss": "training loss", "test_error": "test error", "trace": "Tr H"}
    for panel, (name, title) in zip(axes, titles.items(), strict=True):
        for training in trainings:
            values = getattr(training, name)
            if np.isfinite(values).all():
                draw_mean(panel, Curves(training.shares, values), styles[training.setting.label])
        panel.set_title(title)
        panel.set_xlabel("share of the steps")
        if name != "trace":
            logarithmic(panel, "y")
    axes[0].set_ylim(bottom=1e-14)
    legend(figure, handles)
    return picture(
        "diagonal_net",
        "Diagonal linear net",
        "Training loss, test error and the Hessian's trace of a diagonal linear net. Line: mean "
        "over seeds; band: lowest to highest. Those that diverge are left out.",
        figure,
    )
