"""Curvature: the ends of the Hessian's spectrum and its trace."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from vision.measures.objective import Objective
from workload.errors import UserError

_RESTARTS = 30


@dataclass(frozen=True)
class Eigenvalue:
    """An end of the spectrum, and how many Hessian-vector products it took."""

    value: float
    products: int


@dataclass(frozen=True)
class Estimate:
    """A mean over random draws with its standard error."""

    value: float
    error: float


def extreme_eigenvalue(
    objective: Objective,
    end: Literal["top", "bottom"],
    *,
    seed: int = 0,
    tolerance: float = 0.03,
) -> Eigenvalue:
    """The largest or smallest eigenvalue of the Hessian, counted with its sign.

    Lanczos with implicit restarts (ARPACK) on Hessian-vector products. Power iteration would find
    the largest modulus, which may be the negative end.

    Args:
        objective: the loss at its parameters.
        end: `top` is the largest eigenvalue, `bottom` the smallest.
        seed: of the vector that the search begins with.
        tolerance: of the residual |Hv - value*v|, relative to the value. The value's own error is
            about its square over the gap to the next one, relative.

    Raises:
        UserError: the loss is not finite, or ARPACK does not converge.
    """
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    size, products = objective.size, 0
    like = objective.parameters[0]
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(size, generator=generator, dtype=like.dtype).numpy()

    def product(vector: NDArray[np.floating]) -> NDArray[np.floating]:
        nonlocal products
        products += 1
        shaped = objective.shaped(torch.from_numpy(np.ascontiguousarray(vector).reshape(-1)))
        result = objective.flat(objective.hessian_product(shaped)).cpu().numpy()
        if not np.isfinite(result).all():
            raise UserError("the Hessian is not finite: this network has diverged")
        return np.asarray(result)

    if size < 3:  # too few for Lanczos
        matrix = np.stack([product(row) for row in np.eye(size, dtype=start.dtype)])
        values = np.linalg.eigvalsh(matrix.astype(np.float64))
        return Eigenvalue(float(values[-1 if end == "top" else 0]), products)
    try:
        values = eigsh(
            LinearOperator((size, size), matvec=product, dtype=start.dtype),
            k=1,
            which="LA" if end == "top" else "SA",
            v0=start,
            tol=tolerance,
            ncv=min(size, 20),
            maxiter=_RESTARTS,
            return_eigenvectors=False,
        )
    except ArpackError as error:
        raise UserError(f"the {end} eigenvalue was not found: {error}") from error
    return Eigenvalue(float(values[0]), products)


def trace(objective: Objective, *, probes: int, seed: int = 0) -> Estimate:
    """The Hessian's trace: the mean of <v, Hv> over `probes` vectors v of random signs.

    Exact with every single probe where the Hessian is diagonal. Source: Hutchinson, "A stochastic
    estimator of the trace of the influence matrix for Laplacian smoothing splines", 1990.
    """
    draws = []
    for probe in range(probes):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + probe)
        signs = torch.randint(0, 2, (objective.size,), generator=generator) * 2 - 1
        vector = objective.shaped(signs)
        product = objective.hessian_product(vector)
        draws.append(
            sum(float((v.double() * h).sum()) for v, h in zip(vector, product, strict=True))
        )
    return estimate(draws)


def estimate(draws: list[float]) -> Estimate:
    """Mean and standard error of independent draws; of one the error is not known: nan."""
    values = np.array(draws)
    error = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return Estimate(float(values.mean()), error)
