"""The paper's model on real IWSLT'14 pairs, update by update beside fairseq's own trainer.

    python -m tests.benchmarks.iwslt14 [UPDATES] [--rows FILE.csv]

Takes the 17,651 training pairs, codes and dictionaries of translation/iwslt14_deen.tar.xz in
WDBENCH_DATA or ../shared/data. Both sides start from the same weights and take the same batches of
4,096 tokens with the iwslt14 preset and decoupled decay 1e-4, on one thread, in turn. Prints the
losses and the target words per CPU second.
"""

import argparse
import contextlib
import csv
import itertools
import statistics
import tarfile
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import torch

from nlp.config import Member, Recipe
from nlp.loss import BITS
from nlp.module import TranslationModule
from nlp.network import quiet
from tests.benchmarks.timing import hardware
from tests.nlp.data import real
from tests.nlp.fairseq_peer import fairseq_peer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("updates", nargs="?", type=int, default=200)
    parser.add_argument("--rows", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(hardware(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        binarise(Path(folder))
        rows = []
        for row in itertools.islice(updates(Path(folder) / "bin"), arguments.updates):
            rows.append(row)
            if row["update"] % 10 == 0:
                print(" ".join(f"{key} {value:.6g}" for key, value in row.items()), flush=True)
            if arguments.rows:
                write(rows, arguments.rows)
    ratios = [row["fairseq seconds"] / row["ours seconds"] for row in rows[2:]]
    gaps = [abs(row["ours loss"] - row["fairseq loss"]) for row in rows]
    words = statistics.median(row["target words"] / row["ours seconds"] for row in rows[2:])
    print(
        f"{len(rows)} updates: largest difference of the losses {max(gaps):.4f} bits; "
        f"{words:.0f} target words per CPU second, {statistics.median(ratios):.2f} of fairseq's"
    )


def binarise(folder: Path) -> None:
    """fairseq-preprocess on the official BPE text with the official dictionaries."""
    with tarfile.open(real("translation/iwslt14_deen.tar.xz")) as archive:
        archive.extractall(folder, filter="data")
    (root,) = (path.parent for path in folder.rglob("bpe10k"))
    with quiet(), contextlib.redirect_stdout(None):
        from fairseq import options
        from fairseq_cli import preprocess

        text, meta = root / "bpe10k", root / "meta"
        command = [
            *("--source-lang", "de", "--target-lang", "en", "--destdir", str(folder / "bin")),
            *("--trainpref", str(text / "train.partial"), "--validpref", str(text / "valid")),
            *("--testpref", str(text / "test"), "--workers", "1"),
            *("--srcdict", str(meta / "dict.de.txt"), "--tgtdict", str(meta / "dict.en.txt")),
        ]
        preprocess.main(options.get_preprocessing_parser().parse_args(command))


def updates(folder: Path):
    """A row per update of both sides, without end."""
    recipe, member = Recipe(), Member("decoupled", 1e-4, 1)
    peer = fairseq_peer(folder, recipe, member.weight_decay, member.seed)
    corpus = SimpleNamespace(folder=folder, check_batches=lambda max_tokens: None)
    module = TranslationModule(recipe, member, corpus)
    module.manual_backward = lambda loss: loss.backward()
    module.log_dict = lambda *_, **__: None
    for update in itertools.count(1):
        if not module.place.batches:
            theirs = peer.batches.next_epoch_itr(shuffle=True)
            ours = iter(module.train_dataloader())
        batch = next(theirs)
        before = module.epoch_sums.clone()
        start = time.process_time()
        logged = peer.step([batch])
        middle = time.process_time()
        module.training_step(next(ours), update)
        end = time.process_time()
        loss, _, tokens = (module.epoch_sums - before).tolist()
        yield {
            "update": update,
            "target words": tokens,
            "fairseq loss": float(logged["loss"]),
            "ours loss": BITS * loss / tokens,
            "fairseq seconds": middle - start,
            "ours seconds": end - middle,
        }
        if module.epoch_ended:
            module.end_epoch()


def write(rows: list[dict[str, float]], path: Path) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in rows)


if __name__ == "__main__":
    main()
