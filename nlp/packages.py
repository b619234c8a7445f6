"""What translation needs beside the suite's own packages."""

import sys
from pathlib import Path

from workload.errors import UserError

EXTRA = ("fairseq", "sacrebleu", "sacremoses", "subword_nmt")
SCRIPT = Path(__file__).parent / "install_fairseq.sh"
HOW_TO_INSTALL = (
    "`make nlp` in the source's folder installs it, "
    f"or `pip install 'wdbench[nlp]'` and `sh {SCRIPT} {sys.executable}`"
)


def require_packages(*more: str) -> None:
    """Raise UserError, saying how to install it, where a package for translation, or one of `more`,
    is missing."""
    import importlib.util

    for package in (*EXTRA, *more):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"translation needs {package}, not found here; {HOW_TO_INSTALL}")
