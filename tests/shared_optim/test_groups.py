"""Lambdas by the name of a scheme."""

import pytest

from shared_optim import lambdas


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("none", {"l2": 0.0, "decoupled": 0.0, "separated": 0.0}),
        ("l2", {"l2": 0.1, "decoupled": 0.0, "separated": 0.0}),
        ("decoupled", {"l2": 0.0, "decoupled": 0.1, "separated": 0.0}),
        ("separated", {"l2": 0.0, "decoupled": 0.0, "separated": 0.1}),
    ],
)
def test_a_scheme_is_one_lambda(scheme, expected):
    assert lambdas(scheme, 0.1) == expected


def test_an_unknown_scheme_is_refused_with_what_is_allowed():
    with pytest.raises(ValueError, match="'adamw' is none of none, l2, decoupled, separated"):
        lambdas("adamw", 0.1)
