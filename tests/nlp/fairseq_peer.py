"""fairseq's own training, in this process: the oracle of tests, the peer of benchmarks."""

from dataclasses import dataclass
from typing import Any

from nlp.fairseq_model import quiet


@dataclass
class Peer:
    """fairseq's Trainer with its task and its iterator over the training batches."""

    trainer: Any
    task: Any
    batches: Any

    def step(self, samples):
        """One update of fairseq on a list of batches."""
        with quiet():
            return self.trainer.train_step(samples)


def fairseq_peer(folder, recipe, weight_decay=0.0, seed=1, machine=("--cpu",)) -> Peer:
    """What `fairseq-train FOLDER --arch transformer_iwslt_de_en ...` sets up for the recipe.

    `machine` may instead be empty, for a GPU, or ("--fp16",) for its half precision there.
    """
    with quiet():
        from fairseq import options, tasks
        from fairseq.dataclass.utils import convert_namespace_to_omegaconf
        from fairseq.trainer import Trainer
        from fairseq.utils import set_torch_seed

        share = "--share-all-embeddings" if recipe.joined else "--share-decoder-input-output-embed"
        sizes = [
            word
            for side in ("encoder", "decoder")
            for word in (
                *(f"--{side}-embed-dim", str(recipe.width)),
                *(f"--{side}-ffn-embed-dim", str(recipe.feed_forward)),
                *(f"--{side}-attention-heads", str(recipe.heads)),
                *(f"--{side}-layers", str(recipe.layers)),
            )
        ]
        command = [
            *(str(folder), "--arch", "transformer_iwslt_de_en", share, *sizes, *machine),
            *("--source-lang", recipe.source, "--target-lang", recipe.target),
            *("--dropout", str(recipe.dropout), "--seed", str(seed)),
            *("--optimizer", "adam", "--adam-betas", f"({recipe.beta1}, {recipe.beta2})"),
            *("--adam-eps", str(recipe.adam_eps), "--weight-decay", str(weight_decay)),
            *("--clip-norm", str(recipe.clip_norm), "--lr", str(recipe.learning_rate)),
            *("--lr-scheduler", "inverse_sqrt", "--warmup-updates", str(recipe.warm_up)),
            *("--criterion", "label_smoothed_cross_entropy"),
            *("--label-smoothing", str(recipe.label_smoothing)),
            *("--max-tokens", str(recipe.max_tokens)),
        ]
        parser = options.get_training_parser()
        config = convert_namespace_to_omegaconf(options.parse_args_and_arch(parser, command))
        set_torch_seed(seed)
        task = tasks.setup_task(config.task)
        model = task.build_model(config.model)
        trainer = Trainer(config, task, model, task.build_criterion(config.criterion))
        task.load_dataset("train")
        batches = trainer.get_train_iterator(epoch=1, load_dataset=False)
        trainer.begin_epoch(1)
    return Peer(trainer, task, batches)
