"""Where tests find real data: WDBENCH_DATA, or ../shared/data beside the project."""

import os
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def real(path: str) -> Path:
    """A file of the real data; the test is skipped where there is none."""
    folder = Path(os.environ.get("WDBENCH_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / path).exists():
        pytest.skip(f"needs {path} of the real data: no folder in WDBENCH_DATA nor ../shared/data")
    return folder / path


def iwslt_lines(member: str) -> list[str]:
    """The lines of a text in translation/iwslt14_deen.tar.xz."""
    with tarfile.open(real("translation/iwslt14_deen.tar.xz")) as archive:
        names = [name for name in archive.getnames() if name.endswith(member)]
        assert len(names) == 1, names
        file = archive.extractfile(names[0])
        assert file is not None
        return file.read().decode().removesuffix("\n").split("\n")
