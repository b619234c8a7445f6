"""Where tests find reference numbers that are not part of the repository."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[4] / "shared" / "reference"


def reference(name: str) -> Path:
    """A file of ../shared/reference; the test is skipped where there is none."""
    if not (FOLDER / name).exists():
        pytest.skip(f"needs {name} of ../shared/reference beside the project")
    return FOLDER / name
