"""What this machine has for images."""

from collections.abc import Iterator
from pathlib import Path

from vision.config import Machine
from workload.findings import Finding


def findings() -> Iterator[Finding]:
    """What `wdbench prepare` has left in the working directory."""
    root = Path(Machine.data_dir)
    found = [str(record.parent) for record in sorted(root.glob("*/*/images.json"))]
    if found:
        yield Finding("ok", "images", f"prepared: {', '.join(found)}")
    else:
        text = f"none prepared in {root.absolute()}: `wdbench prepare`; shapes make themselves"
        yield Finding("note", "images", text)
