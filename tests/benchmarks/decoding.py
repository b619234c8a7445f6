"""Beam-5 decoding of a test split against fairseq-generate: sentences per CPU second.

    python -m tests.benchmarks.decoding RUN [DATA_DIR]

RUN is a trained run on a prepared corpus in DATA_DIR (default data); its best epoch's weights are
used. The peer is the loop of fairseq-generate without reading, printing and scoring, with its
default batches and with batches of 128 sentences; the faster of the two counts. Hypotheses must be
the same, sentence by sentence; those that fairseq leaves out (a last batch of not a multiple of 8)
are not compared.
"""

import argparse
import statistics
from pathlib import Path
from time import process_time

import torch

from nlp.decoding import decode, generate_limits
from nlp.fairseq_model import load_split
from nlp.weights import load_model
from tests.benchmarks.timing import Comparison, hardware, table
from tests.nlp.fairseq_generate import fairseq_decode

BAR = 1.3
PEERS = {"default batches": {"max_tokens": 12_000}, "batches of 128": {"max_sentences": 128}}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("data_dir", nargs="?", type=Path, default=Path("data"))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    trained = load_model(arguments.run, arguments.data_dir)
    model, task = trained.model, trained.task
    # as fairseq-generate prepares its model
    model.make_generation_fast_(beamable_mm_beam_size=None, need_attn=False)
    dataset = load_split(task, "test")
    sources = [dataset.src[place] for place in range(len(dataset))]
    limits = generate_limits(task, "test")
    seconds: dict[str, list[float]] = {name: [] for name in ("ours", *PEERS)}
    for _ in range(arguments.rounds + 1):  # the first warms up
        start = process_time()
        ours = decode(model, task, sources, limits=limits)
        seconds["ours"].append(process_time() - start)
        for name, batching in PEERS.items():
            theirs = fairseq_decode(model, task, "test", 5, **batching)
            seconds[name].append(theirs.seconds)
            different = sum(
                not torch.equal(ours[place], hypothesis)
                for place, hypothesis in theirs.hypotheses.items()
            )
            if len(seconds[name]) == 1:
                print(f"{name}: {different} of {len(theirs.hypotheses)} hypotheses differ")
    medians = {name: statistics.median(samples[1:]) for name, samples in seconds.items()}
    print(hardware())
    print(table([Comparison(name, medians["ours"], medians[name], at_least=BAR) for name in PEERS]))
    for name, median in medians.items():
        print(f"{name}: {len(sources) / median:.0f} sentences per CPU second")


if __name__ == "__main__":
    main()
