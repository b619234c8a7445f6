"""Preparation of 100,000 real pairs on 2 cores: wall-clock seconds beyond BPE learning.

The pairs are Multi30k's and the TED talks of the real data's raw_eval, over again until there are
100,000. `python -m tests.benchmarks.preparation`
"""

import itertools
import tarfile
import tempfile
import time
from pathlib import Path

from nlp.data.archive import extract
from nlp.data.lines import read_lines, write_lines
from nlp.data.prepare import prepare
from nlp.data.sources import PUBLISHED, segments
from nlp.data.spec import Preparation
from tests.benchmarks.timing import hardware
from tests.real_data import real

PAIRS = 100_000
BAR = 60.0  # seconds
JOBS = 2


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pairs"
        folder.mkdir()
        _write(folder)
        first: dict[str, float] = {}

        def progress(stage: str, _done: int, _total: int) -> None:
            first.setdefault(stage, time.perf_counter())

        start = time.perf_counter()
        prepare(str(folder), Path(name) / "data", Preparation(), jobs=JOBS, progress=progress)
        end = time.perf_counter()
    learning = first["split into subwords"] - first["learn BPE"]
    beyond = end - start - learning
    print(f"preparation of {PAIRS:,} pairs, {JOBS} processes; {hardware()}")
    print(f"reading, tokenising, cleaning  {first['learn BPE'] - start:6.1f} s")
    print(f"subwords, binary files         {end - first['split into subwords']:6.1f} s")
    print(f"both                           {beyond:6.1f} s   bar <= {BAR:.0f} s   ", end="")
    print("met" if beyond <= BAR else "MISSED")
    print(f"(learning 10,000 merges        {learning:6.1f} s)")


def _write(folder: Path) -> None:
    """Training text, and the evaluation sets of Multi30k."""
    original = folder.with_name("original")
    original.mkdir()
    extract(real("translation/multi30k_deen.tar.xz"), PUBLISHED["multi30k"].files, original)
    with tarfile.open(real("translation/iwslt14_deen.tar.xz")) as archive:
        archive.extractall(original, filter="data")
    talks = sorted(original.glob("*/raw_eval/*.de-en.de.xml"))
    for language in ("de", "en"):
        lines = read_lines(original / f"train.{language}")
        for talk in talks:
            lines += segments(talk.with_name(talk.name.replace(".de.xml", f".{language}.xml")))
        write_lines(folder / f"train.{language}", itertools.islice(itertools.cycle(lines), PAIRS))
        for split, own in (("valid", "val"), ("test", "test_2016_flickr")):
            write_lines(folder / f"{split}.{language}", read_lines(original / f"{own}.{language}"))


if __name__ == "__main__":
    main()
