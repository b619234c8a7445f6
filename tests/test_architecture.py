"""Imports go one way: suite -> (registry) -> workloads -> workload -> shared_optim."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "shared_optim": {"shared_optim"},
    "workload": {"workload", "shared_optim"},
    "rl": {"rl", "workload", "shared_optim"},
    "nlp": {"nlp", "workload", "shared_optim"},
    "suite": {"suite", "workload", "shared_optim"},
}


def imported(file):
    """Top-level names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_those_below_it_alone(package):
    forbidden = ALLOWED.keys() - ALLOWED[package]
    found = {
        (str(file.relative_to(ROOT)), name)
        for file in (ROOT / package).rglob("*.py")
        for name in imported(file)
        if name in forbidden
    }
    assert not found
    assert list((ROOT / package).rglob("*.py"))
