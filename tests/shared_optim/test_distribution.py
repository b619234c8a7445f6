"""The optimizer on its own: its wheel, used where nothing but what it asks for can be imported."""

import importlib.metadata
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import shared_optim

pytestmark = pytest.mark.slow

FOLDER = Path(shared_optim.__file__).parent
OPTIONAL = {"shared_optim.triton_update": "triton", "shared_optim.lightning": "lightning"}
"""Modules that nothing imports unasked, and what they are for."""

USE = '''
import importlib, importlib.machinery, json, pkgutil, sys, warnings

class Visible:
    """What is found on the path, but for what is blocked."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            return None
        return importlib.machinery.PathFinder.find_spec(name, path, target)

sys.meta_path[2:] = [Visible()]  # behind those of built-in and frozen modules
warnings.simplefilter("error", RuntimeWarning)  # a kernel that cannot be compiled
import shared_optim
missing = {}
for module in pkgutil.walk_packages(shared_optim.__path__, "shared_optim."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        missing[module.name] = error.name
for name in shared_optim.__all__:
    getattr(shared_optim, name)

import torch
from shared_optim import WeightDecayAdam, WeightDecaySGD, observe_step

def trained(make):
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    optimizer = make(layer.named_parameters())
    for _ in range(3):
        for parameter in layer.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    return layer, optimizer

layer, optimizer = trained(lambda p: WeightDecayAdam(p, lr=0.1, decoupled=0.5))
peer, _ = trained(lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.5))
sgd, _ = trained(lambda p: WeightDecaySGD(p, lr=0.1, momentum=0.9, l2=0.5))
its_peer, _ = trained(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.5))
print(json.dumps({
    "file": shared_optim.__file__,
    "missing": missing,
    "difference": max((layer.weight - peer.weight).abs().max().item(),
                      (sgd.weight - its_peer.weight).abs().max().item()),
    "gradient norm": observe_step(optimizer).metrics()["optim/gradient_norm"],
}))
'''


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    shutil.copytree(FOLDER, folder / "source", ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    subprocess.run([*command, str(folder / "source")], check=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def requirements(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("METADATA"))
        metadata = archive.read(name).decode()
    return [Requirement(text) for text in re.findall(r"^Requires-Dist: (.*)$", metadata, re.M)]


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def applies(requirement):
    """Here, and without an extra."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def needed(requirements):
    """The distributions that are installed with some, themselves included."""
    found, left = set(), list(requirements)
    while left:
        requirement = left.pop()
        name = canonical(requirement.name)
        if name in found or not applies(requirement):
            continue
        try:
            left += map(Requirement, importlib.metadata.requires(name) or [])
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
    return found


def test_it_asks_for_torch_and_numpy_alone(requirements):
    unasked = [each for each in requirements if applies(each)]
    assert {canonical(requirement.name) for requirement in unasked} == {"torch", "numpy"}


def test_the_wheel_holds_every_module(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.endswith(".py")}
    assert held == {str(path.relative_to(FOLDER.parent)) for path in FOLDER.rglob("*.py")}


@pytest.mark.slow
def test_it_works_where_nothing_else_can_be_imported(wheel, requirements, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "target")
    allowed = needed(requirements)
    blocked = {
        name
        for name, owners in importlib.metadata.packages_distributions().items()
        if not allowed & set(map(canonical, owners))
    }
    suite = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())
    blocked |= {name.split(".")[0] for name in suite["tool"]["setuptools"]["packages"]}
    assert {"lightning", "rl", "workload"} < blocked
    code = f"BLOCKED = {blocked - {'shared_optim'}!r}\n{USE}"
    path = {"PYTHONPATH": str(tmp_path / "target"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, **path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert Path(found["file"]).is_relative_to(tmp_path / "target")
    assert found["missing"].items() <= OPTIONAL.items()
    assert found["difference"] < 1e-6
    assert found["gradient norm"] == pytest.approx(math.sqrt(3 * 2 + 2))  # of ones


def test_it_is_the_suites_version_and_licence():
    files = [
        tomllib.loads((folder / "pyproject.toml").read_text()) for folder in (FOLDER, FOLDER.parent)
    ]
    own, suite = (file["project"] for file in files)
    assert own["license"] == suite["license"]
    assert own["dynamic"] == suite["dynamic"] == ["version"]  # of the tag
    last = [file["tool"]["setuptools_scm"]["fallback_version"] for file in files]
    assert last[0] == last[1]
    by_name = {Requirement(text).name: text for text in suite["dependencies"]}
    asked = [*own["dependencies"], *own["optional-dependencies"]["lightning"]]
    assert all(text == by_name[Requirement(text).name] for text in asked)
    assert (FOLDER / "LICENSE").read_text() == (FOLDER.parent / "LICENSE").read_text()
