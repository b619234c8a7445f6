"""What this machine has for language models."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from lm.config import Machine
from lm.data.prepared import RECORD
from workload.findings import Finding


def findings() -> Iterator[Finding]:
    """What `wdbench prepare text` has left in the working directory, and whether it can learn
    subwords."""
    root = Path(Machine.data_dir)
    found = [str(record.parent) for record in sorted(root.glob(f"*/*/{RECORD}"))]
    if found:
        yield Finding("ok", "texts", f"prepared: {', '.join(found)}")
    else:
        text = f"none prepared in {root.absolute()}: `wdbench prepare text`; grammar makes itself"
        yield Finding("note", "texts", text)
    if importlib.util.find_spec("tokenizers") is None:
        yield Finding("note", "subwords", "no package tokenizers: `pip install 'wdbench[lm]'`")
