"""The workload of tests/toy_workload as a stranger installs it: by pip, into the path."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from suite import registry

ROOT = Path(__file__).parents[1]
SOURCE = Path(__file__).parent / "toy_workload"


def install(source, folder):
    """Install a package from its folder, without a network; the folder to be put on the path."""
    copied, target = folder / "source", folder / "site"
    shutil.copytree(source, copied)  # building leaves files beside the sources
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--no-compile"]
    subprocess.run([*pip, *offline, "--target", target, copied], check=True)
    return target


@contextmanager
def on_the_path(*folders):
    """Packages in these folders are installed for this process and for those that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*map(str, folders), *sys.path])
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, [ROOT, *folders])))
        forget()
        yield
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and any(Path(file).is_relative_to(folder) for folder in folders):
            del sys.modules[name]
    forget()


def forget():
    """Have the registry look again for what is installed."""
    registry.load.cache_clear()
    registry._entries.cache_clear()
