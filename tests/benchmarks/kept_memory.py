"""An update of translation with freed memory kept for the next one, and given back to the system.

    python -m tests.benchmarks.kept_memory [CORPUS_FOLDER] [--updates N] [--rounds N]

CORPUS_FOLDER is a prepared corpus such as data/multi30k/bpe-5000-joined, the default. Each side is
a process of its own, in turns: CPU time and page faults of an update of the 3.5M-parameter model,
after three to warm up, and the process' peak of memory.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.timing import hardware
from tests.benchmarks.translation_update import updates
from workload.memory import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser()
    folder = Path("data/multi30k/bpe-5000-joined")
    parser.add_argument("corpus", nargs="?", type=Path, default=folder)
    parser.add_argument("--updates", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", choices=("kept", "given back"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        if arguments.side == "kept":
            keep_freed_memory()
        print(updates(arguments.corpus, "float32", arguments.updates))
        return
    print(hardware())
    for _ in range(arguments.rounds):
        for name in ("given back", "kept"):
            own = [str(arguments.corpus), "--updates", str(arguments.updates), "--side", name]
            command = [sys.executable, "-m", "tests.benchmarks.kept_memory", *own]
            print(f"{name:<10}", subprocess.check_output(command, text=True).strip(), flush=True)


if __name__ == "__main__":
    main()
