"""`wdbench doctor`: what this machine has, and what is missing for training."""

import contextlib
import importlib
import importlib.util
import os
import shutil
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from nlp.config import ConfigError
from nlp.corpus import Corpus
from rl.config import PAPER_GAMES
from suite import provenance
from suite.arguments import Parser
from suite.batch.pool import HOW_TO_INSTALL as HOW_TO_INSTALL_RAY
from suite.nlp import HOW_TO_INSTALL, Machine
from suite.nlp import PACKAGES as TRANSLATION
from suite.wording import amount

NEEDED = (
    "torch",
    "lightning",
    "numpy",
    "gymnasium",
    "ale_py",
    "jsonargparse",
    "yaml",
    "rich",
    "tensorboard",
    "matplotlib",
    "PIL",
    "psutil",
    "docstring_parser",
    "scipy",
)
EXTRAS = (
    (TRANSLATION, f"translation needs it, games do not; {HOW_TO_INSTALL}"),
    (("ray",), f"several jobs of a batch at once need it, --jobs 1 does not; {HOW_TO_INSTALL_RAY}"),
)


@dataclass(frozen=True)
class Finding:
    """One line: `ok`, `note` (training works without) or `missing` (it does not)."""

    mark: str
    topic: str
    text: str


def main(argv: list[str], prog: str) -> int:
    Parser(prog, "Say what this machine has, and what is missing.").parse_args(argv)
    findings = list(packages())
    missing = sum(finding.mark == "missing" for finding in findings)
    if not missing:  # the other checks import them
        findings += [finding for check in CHECKS for finding in check()]
        missing = sum(finding.mark == "missing" for finding in findings)
    width = max(len(finding.topic) for finding in findings)
    for finding in findings:
        head = f"{finding.mark:<9}{finding.topic:<{width}}  "
        print(textwrap.fill(head + finding.text, 100, subsequent_indent=" " * len(head)))
    print(f"\n{missing} missing: training cannot run" if missing else "\nTraining can run.")
    return 1 if missing else 0


def packages() -> Iterator[Finding]:
    """Whether what is installed can also be imported."""
    versions = provenance.versions()
    yield Finding("ok", "python", str(versions["python"]))
    distributions = metadata.packages_distributions()
    for module in NEEDED:
        try:
            importlib.import_module(module)
            version = metadata.version(distributions[module][0])
            yield Finding("ok", module, version)
        except Exception as error:  # a broken installation fails in any way it likes
            problem = " ".join(f"{type(error).__name__}: {error}".split())
            yield Finding("missing", module, f"{problem}; reinstall with `pip install wdbench`")


def devices() -> Iterator[Finding]:
    import torch

    from suite import resources

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("ok", "cpu", f"{cores} cores, {torch.get_num_threads()} threads for arithmetic")
    gpu = resources.cuda_memory()
    if gpu is None:
        yield Finding("note", "cuda", "no usable GPU: --device auto trains on the CPU")
        return
    free, total = gpu
    name = torch.cuda.get_device_name()
    yield Finding("ok", "cuda", f"{name}, {amount(free)} of {amount(total)} free")


def memory() -> Iterator[Finding]:
    import psutil

    from rl.memory import replay_bytes
    from suite import resources

    free, total = resources.free_memory(), psutil.virtual_memory().total
    yield Finding("ok", "memory", f"{amount(free)} of {amount(total)} free")
    million = replay_bytes(1, 1_000_000)
    gpu = resources.cuda_memory()
    fits = max(free, gpu[0] if gpu else 0) // million
    text = f"1,000,000 transitions take {amount(million)} per member; {fits} members fit"
    yield Finding("ok" if fits else "note", "replay", text)
    yield Finding("ok", "disk", f"{amount(resources.free_disk(Path()))} free here")


def games() -> Iterator[Finding]:
    from rl.environment import game_names

    names = [game for game in game_names() if _has_rom(game)]
    text = f"{len(names)} of {len(game_names())} have ROMs: {' '.join(names)}"
    yield Finding("ok" if names else "missing", "games", text)
    absent = [game for game in PAPER_GAMES if game not in names]
    text = (
        f"ROM missing or damaged: {' '.join(absent)}; reinstall with `pip install ale-py`"
        if absent
        else f"all have ROMs: {' '.join(PAPER_GAMES)}"
    )
    yield Finding("note" if absent else "ok", "the paper's 8", text)


def _has_rom(game: str) -> bool:
    """Whether the ROM's file is there and has the checksum that ale-py expects."""
    from ale_py.roms import get_rom_path

    from rl.environment import rom_id

    try:
        with contextlib.redirect_stdout(None):  # it names the folder when that is not the usual
            return get_rom_path(rom_id(game)) is not None
    except OSError:
        return False


def extras() -> Iterator[Finding]:
    """Whether the extras are installed; importing fairseq would take seconds."""
    distributions = metadata.packages_distributions()
    for modules, advice in EXTRAS:
        for module in modules:
            if importlib.util.find_spec(module) is None:
                yield Finding("note", module, advice)
            else:
                yield Finding("ok", module, metadata.version(distributions[module][0]))


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


def compiler() -> Iterator[Finding]:
    found = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")
    if found:
        yield Finding("ok", "C++ compiler", f"{found}: the optimizer is compiled, fairseq can be")
    else:
        text = "none found: the optimizer runs uncompiled, slower; install g++ or set CXX"
        yield Finding("note", "C++ compiler", text)


def commands() -> Iterator[Finding]:
    """Which `lightning` a shell would start, and who gets what is not ours."""
    from suite.__main__ import other_lightning

    found = shutil.which("lightning")
    if found is None:
        text = "not on the path; `wdbench` and `python -m suite` do the same"
        yield Finding("note", "lightning", text)
    elif "suite.__main__" in Path(found).read_text(errors="ignore"):
        yield Finding("ok", "lightning", f"{found} is this suite's")
    else:
        text = f"{found} is another package's: use `wdbench run rl` or `python -m suite run rl`"
        yield Finding("note", "lightning", text)
    other = other_lightning()
    if other is not None and other.dist is not None:
        text = f"{other.dist.name} has a command of this name too: what is not ours goes there"
        yield Finding("note", "lightning", text)
    if importlib.util.find_spec("click") is None:
        yield Finding("note", "click", "only `lightning run model` needs it: `pip install click`")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    devices,
    memory,
    games,
    extras,
    corpora,
    compiler,
    commands,
)
