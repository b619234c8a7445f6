"""The paper's model on real IWSLT'14 pairs, update by update beside fairseq's own trainer.

    python -m tests.benchmarks.iwslt14 [UPDATES] [--rows FILE.csv] [--device cuda]

Takes the 17,651 real training pairs (tests.benchmarks.real_pairs). Both sides start from the same
weights and take the same batches of 4,096 tokens with the iwslt14 preset and decoupled decay 1e-4,
in float32, on one thread or a GPU, in turn. Prints the losses and the target words per CPU second,
on a GPU per second.
"""

import argparse
import csv
import itertools
import statistics
import time
from pathlib import Path

import torch
from lightning.fabric.utilities import move_data_to_device

from nlp.config import Recipe
from nlp.data.corpus import Corpus
from nlp.loss import BITS
from nlp.module import TranslationModule
from tests.benchmarks.real_pairs import real_pairs
from tests.benchmarks.timing import hardware
from tests.nlp.fairseq_peer import fairseq_peer
from workload.member import Member


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("updates", nargs="?", type=int, default=200)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(torch.cuda.get_device_name() if arguments.device == "cuda" else hardware(), flush=True)
    corpus = real_pairs(arguments.data_dir)
    rows = []
    for row in itertools.islice(updates(corpus, arguments.device), arguments.updates):
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
        f"{words:.0f} target words per second, {statistics.median(ratios):.2f} of fairseq's"
    )


def updates(corpus: Corpus, device: str):
    """A row per update of both sides, without end."""
    recipe, member = Recipe(data=corpus.name), Member("decoupled", 1e-4, 1)
    machine = ("--cpu",) if device == "cpu" else ()
    peer = fairseq_peer(corpus.folder, recipe, member.weight_decay, member.seed, machine)
    module = TranslationModule(recipe, member, corpus).to(device)
    module.manual_backward = lambda loss: loss.backward()
    module.log_dict = lambda *_, **__: None
    for update in itertools.count(1):
        if not module.position.batches:
            theirs = peer.batches.next_epoch_itr(shuffle=True)
            ours = iter(module.train_dataloader())
        their_batch, our_batch = next(theirs), next(ours)
        before = module.epoch_sums.clone()
        start = seconds(device)
        logged = peer.step([their_batch])
        middle = seconds(device)
        module.training_step(move_data_to_device(our_batch, module.device), update)
        end = seconds(device)
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


def seconds(device: str) -> float:
    """CPU time, or wall time with the GPU's work done."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def write(rows: list[dict[str, float]], path: Path) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in rows)


if __name__ == "__main__":
    main()
