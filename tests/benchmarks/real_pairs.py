"""The 17,651 real IWSLT'14 pairs of the test data as a corpus to train on.

    python -m tests.benchmarks.real_pairs [DATA_DIR]
    lightning run nlp --data iwslt14-part --scheme decoupled --weight-decay 1e-4

It has the published codes, dictionaries, validation and test set, and of the training pairs the
part in translation/iwslt14_deen.tar.xz of WDBENCH_DATA or ../shared/data. `wdbench prepare iwslt14`
makes the complete corpus from the publisher's archive.
"""

import argparse
import shutil
import tarfile
import tempfile
from pathlib import Path

from nlp.data.binarise import SPECIAL, write_binary
from nlp.data.corpus import FORMAT, Corpus, corpus_folder
from nlp.data.lines import read_lines, write_lines
from nlp.data.sources import IWSLT_TESTS, segments
from nlp.data.spec import Preparation
from tests.real_data import real
from workload.files import write_json
from workload.stages import sha256_of_files

NAME, BPE, PAIR = "iwslt14-part", 10_000, ("de", "en")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", nargs="?", type=Path, default=Path("data"))
    corpus = real_pairs(parser.parse_args().data_dir)
    print(f"ready in {corpus.folder}: {corpus.splits}")


def real_pairs(data_dir: Path) -> Corpus:
    """The corpus in `data_dir`, made when it is not there."""
    folder = corpus_folder(data_dir, NAME, Preparation(bpe=BPE))
    if not (folder / "corpus.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as temporary:
            with tarfile.open(real("translation/iwslt14_deen.tar.xz")) as archive:
                archive.extractall(temporary, filter="data")
            _make(Path(temporary) / "iwslt14_deen", folder)
    return Corpus.open(folder)


def _make(published: Path, folder: Path) -> None:
    shutil.copyfile(published / "meta" / "bpe10k.codes", folder / "codes")
    splits: dict[str, dict[str, int]] = {split: {} for split in ("train", "valid", "test")}
    for side, language in zip(("source", "target"), PAIR, strict=True):
        dictionary = folder / f"dict.{language}.txt"
        shutil.copyfile(published / "meta" / dictionary.name, dictionary)
        types = {line.rpartition(" ")[0]: 0 for line in read_lines(dictionary)}
        for split, counts in splits.items():
            name = "train.partial" if split == "train" else split
            lines = read_lines(published / "bpe10k" / f"{name}.{language}")
            write_lines(folder / f"{split}.bpe.{language}", lines)
            if split != "train":
                tokens = read_lines(published / "tok" / f"{split}.{language}")
                write_lines(folder / f"{split}.tok.{language}", tokens)
            prefix = folder / f"{split}.{'-'.join(PAIR)}.{language}"
            counts["pairs"] = len(lines)
            counts[f"{side}_tokens"], counts[f"{side}_unknown"] = write_binary(prefix, lines, types)
        raw = [
            line
            for name in IWSLT_TESTS
            for line in segments(published / "orig/de-en" / f"IWSLT14.{name}.de-en.{language}.xml")
        ]
        write_lines(folder / f"test.raw.{language}", raw)
    write_json(
        folder / "corpus.json",
        {
            "format": FORMAT,
            "name": NAME,
            "source": PAIR[0],
            "target": PAIR[1],
            "bpe": BPE,
            "joined": False,
            "splits": splits,
            "dictionaries": {
                language: len(read_lines(folder / f"dict.{language}.txt")) + len(SPECIAL)
                for language in PAIR
            },
            "sha256": sha256_of_files(folder / f for f in ("codes", "dict.de.txt", "dict.en.txt")),
        },
    )


if __name__ == "__main__":
    main()
