"""Files that torch.save has written, read so that damage is noticed.

They are zip archives with a checksum of every part, which torch.load does not look at: of bits that
are turned over in a file of weights it notices few.
"""

import zipfile
from pathlib import Path
from typing import Any

import torch


def check(file: Path) -> None:
    """Raise ValueError or zipfile.BadZipFile unless a file is what torch.save wrote."""
    with zipfile.ZipFile(file) as archive:
        part = archive.testzip()
    if part is not None:
        raise ValueError(f"{Path(part).name} inside it is not what was written")


def load(file: Path) -> dict[str, Any]:
    """What a file holds, tensors on the CPU.

    Raises:
        OSError: it cannot be read.
        Exception: it is damaged; of many kinds.
    """
    check(file)
    content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return content
