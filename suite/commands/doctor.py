"""`wdbench doctor`: what this machine has, and what is missing for training."""

import importlib.util
import os
import re
import shutil
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from suite.batch.ray_pool import HOW_TO_INSTALL as HOW_TO_INSTALL_RAY
from suite.commands.arguments import Parser
from suite.registry import load, names
from suite.runs.session import versions
from workload.findings import Finding, importable, installed
from workload.wording import amount

DISTRIBUTION = "wdbench"
NEEDED = (
    "torch",
    "lightning",
    "numpy",
    "jsonargparse",
    "yaml",
    "rich",
    "plotille",
    "shtab",
    "tensorboard",
    "matplotlib",
    "PIL",
    "psutil",
    "docstring_parser",
    "scipy",
)


def main(argv: list[str], prog: str) -> int:
    Parser(
        prog,
        "Say what this machine has, and what is missing.",
        examples=("wdbench doctor", "wdbench doctor | grep missing"),
    ).parse_args(argv)
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
    yield Finding("ok", "python", str(versions()["python"]))
    yield from importable(NEEDED)


def devices() -> Iterator[Finding]:
    import torch

    from workload import resources

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

    from workload import resources

    free, total = resources.free_memory(), psutil.virtual_memory().total
    yield Finding("ok", "memory", f"{amount(free)} of {amount(total)} free")
    yield Finding("ok", "disk", f"{amount(resources.free_disk(Path()))} free here")


def workloads() -> Iterator[Finding]:
    """What each workload has to say of this machine."""
    for name in names():
        yield from load(name).doctor()


def extras() -> Iterator[Finding]:
    """Which extras of this distribution are complete, and what the others lack."""
    from importlib import metadata

    for extra, needed in requirements(metadata.requires(DISTRIBUTION) or []).items():
        if lacks := [text for text in needed if not _satisfied(text)]:
            advice = f"lacks {', '.join(lacks)}; `pip install '{DISTRIBUTION}[{extra}]'`"
            yield Finding("note", f"[{extra}]", advice)
        else:
            yield Finding("ok", f"[{extra}]", "complete")
    advice = f"several jobs of a batch at once need it, --jobs 1 does not; {HOW_TO_INSTALL_RAY}"
    yield from installed(("ray",), advice)


def requirements(declared: Sequence[str]) -> dict[str, list[str]]:
    """What each extra asks for beside the distribution itself, of the lines `Requires-Dist`."""
    from packaging.requirements import Requirement

    found: dict[str, list[str]] = {}
    for line in declared:
        requirement = Requirement(line)
        extra = re.search(r"extra == .(\w+)", str(requirement.marker or ""))
        if extra is None or not requirement.marker.evaluate({"extra": extra[1]}):  # type: ignore[union-attr]
            continue
        own = found.setdefault(extra[1], [])
        if requirement.name == DISTRIBUTION:  # its other extras
            own += [text for other in requirement.extras for text in found.get(other, [])]
        else:
            own.append(f"{requirement.name}{requirement.specifier}")
    return found


def _satisfied(text: str) -> bool:
    """Whether what a requirement asks for is installed."""
    from importlib import metadata

    from packaging.requirements import Requirement

    requirement = Requirement(text)
    try:
        return metadata.version(requirement.name) in requirement.specifier
    except metadata.PackageNotFoundError:
        return False


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
        text = f"{found} is another package's: use `wdbench run` or `python -m suite run`"
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
    workloads,
    extras,
    compiler,
    commands,
)
