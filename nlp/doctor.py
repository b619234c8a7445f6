"""What this machine has for translation."""

from collections.abc import Iterator
from pathlib import Path

from nlp.config import Machine
from nlp.data.corpus import Corpus
from nlp.packages import EXTRA, HOW_TO_INSTALL
from workload.errors import ConfigError
from workload.findings import Finding, installed

ADVICE = f"translation needs it, games do not; {HOW_TO_INSTALL}"


def findings() -> Iterator[Finding]:
    yield from installed(EXTRA, ADVICE)
    yield from installed(
        ("sentencepiece",), f"--tokenisation sentencepiece needs it; {HOW_TO_INSTALL}"
    )
    yield from corpora()


def corpora() -> Iterator[Finding]:
    """What `wdbench prepare` has left in the working directory."""
    root = Path(Machine.data_dir)
    found = []
    for record in sorted(root.glob("*/*/corpus.json")):
        try:
            corpus = Corpus.open(record.parent)
        except ConfigError as error:
            yield Finding("note", "corpora", str(error))
            continue
        pairs = corpus.splits["train"]["pairs"]
        found.append(f"{record.parent} ({corpus.source}-{corpus.target}, {pairs:,} pairs)")
    if found:
        yield Finding("ok", "corpora", f"prepared: {', '.join(found)}")
    else:
        text = f"none prepared in {root.absolute()}: `wdbench prepare`; grammar makes itself"
        yield Finding("note", "corpora", text)
