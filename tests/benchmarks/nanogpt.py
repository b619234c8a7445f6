"""nanoGPT's own train.py, unchanged, in a process that holds nothing of the suite.

    python tests/benchmarks/nanogpt.py CLONE DATA ROUNDS UPDATES [--KEY=VALUE ...]

trains ROUNDS rounds of UPDATES updates with these settings of train.py on the train.bin, val.bin
and meta.pkl in DATA. It waits for a line before each round, and prints the round's CPU seconds
after it; at its end as JSON the process's peak bytes before train.py began, with torch imported,
and now.
"""

import builtins
import json
import math
import os
import runpy
import sys
import time
from pathlib import Path


def peak() -> int:
    """Most bytes that the process has held so far.

    Not getrusage's, which counts the process that started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def main() -> None:
    import torch._dynamo  # torch's optimizers do so

    clone, data, rounds, updates, *settings = sys.argv[1:]
    before = peak()
    sys.argv = ["train.py", *settings, f"--dataset={data}", f"--out_dir={data}"]
    sys.argv += [f"--log_interval={updates}", f"--max_iters={int(rounds) * int(updates)}"]
    os.chdir(clone)
    sys.path.insert(0, clone)
    begin = math.nan

    def note(*texts: object, **_: object) -> None:
        nonlocal begin
        if not str(texts[0]).startswith("iter "):
            return
        if not math.isnan(begin):
            printed(time.process_time() - begin, flush=True)
        sys.stdin.readline()
        begin = time.process_time()

    torch.set_num_threads(1)
    printed, builtins.print = builtins.print, note
    try:
        runpy.run_path("train.py")
    finally:
        builtins.print = printed
    print(json.dumps({"imported": before, "peak": peak()}))


if __name__ == "__main__":
    main()
