"""The suite as it is installed: its wheel, used where there is no clone."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import setuptools_scm
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = [name.replace(".", "/") for name in PROJECT["tool"]["setuptools"]["packages"]]
FOLDERS = {name.partition("/")[0] for name in PACKAGES}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "evidence", "benchmarks", "small")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    subprocess.run([*command, str(folder / "source")], check=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Starts `python -m suite` from the unpacked wheel, in a folder of its own."""
    target = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def start(*arguments):
        return subprocess.run(
            [sys.executable, "-P", *arguments],
            cwd=elsewhere,
            env=os.environ | {"PYTHONPATH": str(target)},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return target, start


@pytest.mark.slow
def test_the_wheel_holds_every_module_preset_grid_claim_and_published_number(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = [path for name in PACKAGES for path in (ROOT / name).glob("*.py")]
    files += [*(ROOT / "configs").rglob("*.yaml"), *(ROOT / "results/published").glob("*.csv")]
    expected = {str(path.relative_to(ROOT)) for path in files}
    assert expected <= held
    assert "nlp/install_fairseq.sh" in held
    assert held - expected <= {"results/published/README.md", "nlp/install_fairseq.sh"}


def test_every_package_of_the_repository_is_declared():
    found = {
        str(path.parent.relative_to(ROOT))
        for name in FOLDERS
        for path in (ROOT / name).rglob("*.py")
    }
    assert found <= {*PACKAGES, "results"}


@pytest.mark.slow
def test_it_works_without_a_clone(installed):
    target, start = installed
    code = "import rl, nlp, vision, lm, suite, workload, shared_optim; print(suite.__file__)"
    assert Path(start("-c", code).stdout.strip()).is_relative_to(target)
    answer = start("-m", "suite", "run", "lm", "--preset", "grammar-tiny", "--print_config")
    assert answer.returncode == 0, answer.stderr
    assert yaml.safe_load(answer.stdout)["data"] == "grammar"
    assert "wdbench demo vision" in start("-m", "suite").stdout


@pytest.mark.slow
def test_the_extras_that_the_pages_name_are_there(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("METADATA"))
        metadata = archive.read(name).decode()
    pages = "".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    named = {
        extra for text in re.findall(r"wdbench\[([\w,]+)\]", pages) for extra in text.split(",")
    }
    assert {"nlp", "batch", "bench", "lm"} <= named
    assert named <= set(re.findall(r"^Provides-Extra: (.*)$", metadata, re.M))


OPTIMIZER = tomllib.loads((ROOT / "shared_optim/pyproject.toml").read_text())


def test_the_last_release_is_the_same_everywhere():
    (_, newest, *_) = re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == newest
    for project in (PROJECT, OPTIMIZER):
        assert project["tool"]["setuptools_scm"]["fallback_version"] == newest


def test_a_tag_is_the_version_of_both_distributions(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.example"]
    (tmp_path / "shared_optim").mkdir()
    files = [tmp_path / "pyproject.toml", tmp_path / "shared_optim/pyproject.toml"]
    for file in files:
        file.touch()

    def versions():
        said = [project["tool"]["setuptools_scm"] for project in (PROJECT, OPTIMIZER)]
        return {
            setuptools_scm.get_version(relative_to=file, **options)
            for file, options in zip(files, said, strict=True)
        }

    last = PROJECT["tool"]["setuptools_scm"]["fallback_version"]
    assert versions() == {last}
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=one"]):
        subprocess.run([*git, *command], check=True)
    (untagged,) = versions()
    assert untagged.startswith(f"{last.rpartition('.')[0]}.")
    assert ".dev1+g" in untagged
    subprocess.run([*git, "tag", "v9.8.7"], check=True)
    assert versions() == {"9.8.7"}


def test_the_workflow_runs_what_ci_runs_on_every_python_that_is_supported():
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    job = workflow["jobs"]["test"]
    assert next(step["run"] for step in job["steps"] if "run" in step) == ".ci/run"
    low, high = re.fullmatch(
        r">=3\.(\d+),<3\.(\d+)", PROJECT["project"]["requires-python"]
    ).groups()
    supported = [f"3.{minor}" for minor in range(int(low), int(high))]
    assert job["strategy"]["matrix"]["python"] == supported
