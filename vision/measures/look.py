"""How sharp the loss is around a network in training, in numbers for a row."""

import contextlib
import math
from collections.abc import Callable

from torch import nn

from vision.images import DeviceImages
from vision.measures.hessian import extreme_eigenvalue, trace
from vision.measures.objective import network_loss
from vision.measures.perturbation import perturbed_losses
from vision.sharpness_file import ADDITIVE_GAMMA, DRAWS, GAMMA, PROBES
from workload.errors import UserError
from workload.stopping import unasked

IMAGES = 1_000


def sharpness_look(
    model: nn.Module, images: DeviceImages, between: Callable[[], None] = unasked
) -> dict[str, float]:
    """What `wdbench sharpness --images 1000` measures, less Keskar's maximum and the bottom of the
    spectrum, which take the most time.

    `sharpness/loss` is L on these images; `/multiplicative` and `/additive` are S at the usual
    gammas, `/multiplicative_difference` is S - L, `/top` the Hessian's largest eigenvalue and
    `/trace` its trace. An eigenvalue that is not found is left out, and all but L where that is no
    finite number. Parameters, buffers, generators and `.grad` stay as they are.

    Args:
        model: on its device.
        images: that it is trained on, with the labels that it is trained on.
        between: called before each batch; what it raises passes.
    """
    with network_loss(model, images, images.sample(IMAGES), between=between) as objective:
        loss = objective.loss()
        found = {"loss": loss}
        if math.isfinite(loss):
            (noise,) = perturbed_losses(objective, "multiplicative", [GAMMA], draws=DRAWS)
            (added,) = perturbed_losses(objective, "additive", [ADDITIVE_GAMMA], draws=DRAWS)
            found |= {
                "multiplicative": noise.loss.value,
                "multiplicative_difference": noise.difference,
                "additive": added.loss.value,
                "trace": trace(objective, probes=PROBES).value,
            }
            with contextlib.suppress(UserError):  # no reason to end a training
                found["top"] = extreme_eigenvalue(objective, "top").value
    return {f"sharpness/{name}": value for name, value in found.items()}
