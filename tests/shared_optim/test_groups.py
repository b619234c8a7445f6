"""Lambdas by the name of a scheme."""

import pytest

from shared_optim import lambdas
from shared_optim.schemes import decaying


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("none", {}),
        ("l2", {"l2": 0.1}),
        ("separated", {"separated": 0.1}),
        ("corrected", {"corrected": 0.1}),
    ],
)
def test_a_scheme_is_one_lambda(scheme, expected):
    assert lambdas(scheme, 0.1) == dict.fromkeys(decaying(), 0.0) | expected


def test_an_unknown_scheme_is_refused_with_what_is_allowed():
    with pytest.raises(ValueError, match="'adamw' is none of none, l2, decoupled, separated"):
        lambdas("adamw", 0.1)
