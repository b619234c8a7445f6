"""fairseq-generate in this process: the oracle of tests, the peer of benchmarks."""

import functools
import io
from argparse import Namespace
from dataclasses import dataclass
from time import process_time

import torch

from nlp.fairseq_model import MAX_POSITIONS, quiet

LENGTHS = {"max_len_a": 1.2, "max_len_b": 10}


def generate(folder, checkpoint, model, recipe, *flags) -> dict[int, str]:
    """What the command writes as hypotheses, BPE undone, by the place in the test split.

    Without `--required-batch-size-multiple 1` fairseq leaves out the last batch where it is no
    multiple of 8 sentences.

    Args:
        folder: the prepared corpus.
        checkpoint: a file to write, in fairseq's form.
        model: fairseq's transformer with the weights to use.
        recipe: it was built by.
        flags: of the command, e.g. `--batch-size 8`.
    """
    with quiet():
        from fairseq import options
        from fairseq.dataclass.utils import convert_namespace_to_omegaconf
        from fairseq.models.transformer.transformer_legacy import transformer_iwslt_de_en
        from fairseq_cli.generate import _main

        sizes = {
            f"{side}_{key}": value
            for side in ("encoder", "decoder")
            for key, value in {
                "embed_dim": recipe.width,
                "ffn_embed_dim": recipe.feed_forward,
                "attention_heads": recipe.heads,
                "layers": recipe.layers,
            }.items()
        }
        arguments = Namespace(
            **sizes,
            arch="transformer_iwslt_de_en",
            task="translation",
            data=str(folder),
            source_lang=recipe.source,
            target_lang=recipe.target,
            share_all_embeddings=recipe.joined,
            share_decoder_input_output_embed=not recipe.joined,
            criterion="cross_entropy",
        )
        transformer_iwslt_de_en(arguments)
        content = {
            "args": arguments,
            "model": model.state_dict(),
            "optimizer_history": [{"criterion_name": "", "best_loss": None}],
            "extra_state": {},
        }
        torch.save(content, checkpoint)
        parser = options.get_generation_parser()
        command = [
            *(str(folder), "--path", str(checkpoint), "--gen-subset", "test", "--cpu"),
            *("--source-lang", recipe.source, "--target-lang", recipe.target),
            *("--beam", str(recipe.beam), "--post-process", "subword_nmt", "--max-len-a", "1.2"),
            *("--max-len-b", "10", "--no-progress-bar", *flags),
        ]
        config = convert_namespace_to_omegaconf(options.parse_args_and_arch(parser, command))
        written, load = io.StringIO(), torch.load
        # fairseq's own checkpoints are refused by torch >= 2.6 otherwise
        torch.load = functools.partial(load, weights_only=False)
        try:
            _main(config, written)
        finally:
            torch.load = load
    found = [line.split("\t") for line in written.getvalue().split("\n") if line.startswith("H-")]
    return {int(number.removeprefix("H-")): text for number, _, text in found}


@dataclass
class Generated:
    """Best hypotheses by the place in the split, and the CPU seconds of decoding alone."""

    hypotheses: dict[int, torch.Tensor]
    seconds: float


def fairseq_decode(model, task, split, beam, **batching) -> Generated:
    """The loop of fairseq-generate without reading, printing and scoring.

    `batching` is `max_tokens=12_000`, what the command takes when it is given nothing, or
    `max_sentences`. The model must be in evaluation mode.
    """
    with quiet():
        from fairseq.dataclass.configs import GenerationConfig

        generator = task.build_generator([model], GenerationConfig(beam=beam, **LENGTHS))
        batches = task.get_batch_iterator(
            dataset=task.dataset(split),
            max_positions=(MAX_POSITIONS, MAX_POSITIONS),
            required_batch_size_multiple=8,
            disable_iterator_cache=True,
            **batching,
        ).next_epoch_itr(shuffle=False)
        best = {}
        seconds = 0.0
        for batch in batches:
            start = process_time()
            hypotheses = task.inference_step(generator, [model], batch)
            seconds += process_time() - start
            for place, of_sentence in zip(batch["id"].tolist(), hypotheses, strict=True):
                best[place] = of_sentence[0]["tokens"]
    return Generated(best, seconds)
