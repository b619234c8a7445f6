"""The commands work wherever they are called, whatever a user's own folders there are called."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).parents[2]
PACKAGES = tomllib.loads((SOURCE / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
NAMES = sorted({package.partition(".")[0] for package in PACKAGES})
"""Top-level names, as generic as `configs` and `results`."""
NOT_OURS = "raise SystemExit('a module of the user was imported')\n"
SCRIPTS = [Path(sys.executable).with_name(name) for name in ("wdbench", "lightning")]
COMMANDS = [[sys.executable, "-m", "suite"], *([str(script)] for script in SCRIPTS)]
RUNS = [["run", "rl", "--preset", "demo"], ["run", "nlp", "--preset", "grammar-tiny"]]


def printed(command, argv, folder):
    # The path may name the source, never the current folder.
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in paths if p)}
    answer = subprocess.run(
        [*command, *argv, "--print_config"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=["python -m suite", "wdbench", "lightning"])
@pytest.mark.parametrize("argv", RUNS, ids=["rl", "nlp"])
def test_a_users_folders_of_our_names_are_not_taken_for_ours(command, argv, tmp_path):
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    alone.mkdir()
    for name in NAMES:
        folder = beside / name
        folder.mkdir(parents=True)
        for module in ("config", "errors", "published", "member"):
            (folder / f"{module}.py").write_text(NOT_OURS)
    expected = printed(command, argv, alone)
    assert printed(command, argv, beside) == expected
    for name in set(NAMES) - {"suite"}:  # `python -m suite` there is the user's own
        (beside / name / "__init__.py").write_text(NOT_OURS)
    assert printed(command, argv, beside) == expected
