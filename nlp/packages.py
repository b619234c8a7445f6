"""What translation needs beside the suite's own packages."""

from workload.errors import UserError

EXTRA = ("fairseq", "sacrebleu", "sacremoses", "subword_nmt")
HOW_TO_INSTALL = (
    "`make nlp` in the source's folder installs it, "
    "or `pip install 'wdbench[nlp]'` and scripts/install_fairseq.sh"
)


def require_packages(*more: str) -> None:
    """Raise UserError, saying how to install it, where a package for translation, or one of `more`,
    is missing."""
    import importlib.util

    for package in (*EXTRA, *more):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"translation needs {package}, not found here; {HOW_TO_INSTALL}")
