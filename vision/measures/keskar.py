"""The largest loss in a small box around a network's weights."""

import torch

from vision.measures.objective import Objective


def keskar_sharpness(objective: Objective, *, epsilon: float = 5e-4, iterations: int = 10) -> float:
    r"""How much higher than L(w) the loss is nearby, relative to 1 + L(w)::

        max  (L(w + y) - L(w)) / (1 + L(w))     over |y_i| <= epsilon * (1 + |w_i|)

    The maximum is looked for from y = 0 on by conditional gradients: the next y is the corner of
    the box at which the gradient's plane is highest, y_i = epsilon * (1 + |w_i|) * sign(g_i). Exact
    for linear losses, rising with every step for convex ones. Found to the extent of `iterations`
    gradients; on ResNet-8, ten come as high as the L-BFGS-B of the measure's authors comes with
    ten of its own, and depend on no step size. Their tables show 100 times this number.

    Source: Keskar et al., "On Large-Batch Training for Deep Learning: Generalization Gap and Sharp
    Minima", ICLR 2017, metric 2.1 with A the identity; Bjorck et al., AAAI 2021, equation 2. Frank
    and Wolfe, 1956.
    """
    with objective.kept() as weights:
        box = [epsilon * (1 + weight.abs()) for weight in weights]
        highest, gradient = objective.gradient()
        before = highest
        for iteration in range(iterations):
            corner = [side * torch.sign(g) for side, g in zip(box, gradient, strict=True)]
            objective.move_to([w + y for w, y in zip(weights, corner, strict=True)])
            if iteration == iterations - 1:
                loss = objective.loss()
            else:
                loss, gradient = objective.gradient()
            highest = max(highest, loss)
    return (highest - before) / (1 + before)
