"""Where tests find real data: WDBENCH_DATA, or ../shared/data beside the project."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def real(path: str) -> Path:
    """A file or folder of the real data; the test is skipped where there is none."""
    folder = Path(os.environ.get("WDBENCH_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / path).exists():
        pytest.skip(f"needs {path} of the real data: no folder in WDBENCH_DATA nor ../shared/data")
    return folder / path
