"""Translation as a workload. Importing it imports neither torch nor fairseq."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlp.cost import (
    PROCESS_MEMORY,
    TARGET_TOKENS,
    about_parameters,
    run_disk,
    training_memory,
    training_seconds,
)
from nlp.packages import require_packages
from workload import resources
from workload.contract import Command, Demo, Workload
from workload.errors import ConfigError, FullDiskError, UserError
from workload.output import say
from workload.recipe import OPTIMIZER_KEYS
from workload.wording import amount, unknown

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from nlp import config
    from nlp.data.corpus import Corpus
    from workload.findings import Finding
    from workload.member import Member, Outcome, RunLog
    from workload.progress import Progress
    from workload.report import Report
    from workload.resources import FreeMemory


def _prepare(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    from nlp.data.command import main

    return main(parser, arguments)


def _is_text(name: str) -> bool:
    from nlp.data.corpus import KNOWN

    return name in (*KNOWN, *WORKLOAD.preset_names()) or any(
        path.suffix != ".npz" for path in Path(name).glob("train.*")
    )


def _translate(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    from nlp.translate import main

    return main(parser, arguments)


def _export(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    from nlp.export import main

    return main(parser, arguments)


def weights_name(text: str) -> str:
    """A run, or a file of its weights, by the last parts of its path: scheme, seed and file."""
    if not text:
        return ""
    parts = [part for part in Path(os.path.abspath(text)).parts if part != "weights"]
    return "/".join(parts[-3:] if text.endswith(".pt") else parts[-2:])


class TranslationWorkload(Workload["config.Recipe", "config.Machine"]):
    NAME = "nlp"
    TITLE = "Translation with a transformer, under each kind of weight decay in Adam."
    EXAMPLE = "--data grammar-tiny --scheme separated --weight-decay 1e-4 --seed 0"
    DEMO = Demo(
        "the four schemes on translation of sentences made by code, in minutes",
        (
            "--preset grammar-tiny --scheme none l2 decoupled separated --weight-decay 1e-3 "
            "--validation-sentences 200",
        ),
    )
    PRESET = "iwslt14"
    PRESET_KEY = "data"
    TASK_KEY = "data"
    STEP_KEY = "updates"
    EPOCH_KEY = "epoch"
    LENGTH_KEY = "epochs"
    SECTIONS = {  # noqa: RUF012
        "What is trained, and how long": (
            "data",
            "source",
            "target",
            "bpe",
            "joined",
            "tokenisation",
            "subwords",
            "ratio",
            "longest",
            "vocabulary",
            "init_from",
            "epochs",
            "log_every",
        ),
        "Optimizer": (
            "learning_rate",
            "warm_up",
            *OPTIMIZER_KEYS,
            "clip_norm",
            "precision",
        ),
        "Model": ("width", "feed_forward", "heads", "layers", "dropout"),
        "Batches and loss": ("max_tokens", "accumulate", "label_smoothing"),
        "Decoding": ("beam", "validation_sentences", "average_last"),
    }
    COMMANDS = (
        Command(
            name="prepare",
            text="make a corpus ready for `run nlp`",
            description="Prepare parallel text for `run nlp`. What is finished is not redone.",
            main=_prepare,
            examples=(
                "wdbench prepare multi30k",
                "wdbench prepare texts/mine --source fr --target en --bpe 5000 --joined",
            ),
            accepts=_is_text,
            takes="iwslt14, multi30k, grammar, a folder of text (train.de ...)",
        ),
        Command(
            name="translate",
            text="translate text with the model of a translation run",
            description="Translate text, a sentence per line, with the model of a run.",
            main=_translate,
            examples=(
                "wdbench translate RUN sentences.txt",
                "wdbench translate RUN --interactive",
            ),
        ),
        Command(
            name="export",
            text="write the model of a translation run for fairseq or CTranslate2",
            description="Write the model of a run as another program reads it.",
            main=_export,
            examples=(
                "wdbench export RUN --to fairseq --out exported",
                "wdbench export RUN --to ctranslate2 --out exported",
            ),
        ),
    )
    PACKAGES = ("fairseq-fixed", "sacrebleu", "sacremoses", "sentencepiece", "subword-nmt")

    @property
    def Recipe(self) -> type[config.Recipe]:
        from nlp.config import Recipe

        return Recipe

    @property
    def Machine(self) -> type[config.Machine]:
        from nlp.config import Machine

        return Machine

    @property
    def report(self) -> Report:
        from nlp.report import REPORT

        return REPORT

    def task(self, recipe: config.Recipe) -> str:
        """The corpus; of a folder its last name, as under data/."""
        from nlp.data.corpus import corpus_name

        return corpus_name(recipe.data)

    def resolved(self, recipe: config.Recipe) -> dict[str, Any]:
        """A corpus is the same however its folder was written."""
        own = {"data": self.task(recipe), "init_from": weights_name(recipe.init_from)}
        return super().resolved(recipe) | own

    def memory_summary(self, recipe: config.Recipe, members: int) -> str:
        runs = f"{members} runs, one after the other, each" if members > 1 else "one run"
        return (
            f"{runs} of about {about_parameters(recipe) / 1e6:.1f} million parameters: "
            f"{amount(training_memory(recipe))} with gradients and Adam's buffers, up to "
            f"{amount(members * run_disk(recipe))} on disk"
        )

    def validate(self, recipe: config.Recipe, machine: config.Machine) -> None:
        """Raise UserError for a corpus that is neither known nor prepared nor a folder of text."""
        from nlp.data.corpus import KNOWN

        prepared = _folder(recipe, machine)
        if recipe.data in KNOWN or prepared.parent.is_dir() or Path(recipe.data).is_dir():
            return
        if recipe.data in self.preset_names():
            raise UserError(f"data: {recipe.data!r} is a preset; write --preset {recipe.data}")
        known = dict.fromkeys((*KNOWN, *self.preset_names()))
        if machine.data_folder.is_dir():
            known |= dict.fromkeys(sorted(folder.name for folder in machine.data_folder.iterdir()))
        mistake = unknown("corpus", recipe.data, known)
        raise UserError(f"data: no folder of parallel text, and {mistake}")

    def check(self, recipe: config.Recipe, machine: config.Machine, runs: Sequence[Path]) -> None:
        """Raise UserError where packages, corpus, device, memory or disk do not suffice."""
        require_packages()
        from nlp.bleu import check_tokeniser
        from nlp.config import check_devices

        check_tokeniser(recipe.target)
        check_devices(recipe, machine)
        if recipe.data != "grammar" or _prepared(recipe, machine):
            self._check_corpus(recipe, machine)
        resources.check_device(machine.device, machine.processes)
        need = machine.devices * (training_memory(recipe) + PROCESS_MEMORY)
        if need > (memory := resources.free_memory()):
            raise UserError(
                f"width: {self.memory_summary(recipe, 1)}; training takes {amount(need)} of memory "
                f"in all, {amount(memory)} are free; choose a smaller --width or --layers"
                + (", or fewer --devices" if machine.devices > 1 else "")
            )
        disk, free = len(runs) * run_disk(recipe), resources.disk_for(runs)
        if disk > free:
            raise FullDiskError(
                f"runs: {len(runs)} runs such as {runs[0]} take up to {amount(disk)} on disk, "
                f"{amount(free)} are free; choose another --runs"
            )

    def _check_corpus(self, recipe: config.Recipe, machine: config.Machine) -> None:
        from nlp.data.corpus import KNOWN, Corpus

        folder = _folder(recipe, machine)
        if problem := self.missing_data(recipe, machine):
            raise UserError(problem)
        corpus = Corpus.open(folder)
        for key in ("source", "target"):
            ours, its = getattr(recipe, key), getattr(corpus, key)
            if ours != its:
                raise UserError(
                    f"{key}: {ours!r} is not the language that {folder} was prepared for, {its!r}"
                )
        if recipe.data not in KNOWN:
            corpus.check_text(Path(recipe.data))
        corpus.check_batches(recipe.max_tokens)
        if recipe.init_from:
            from nlp.weights import starting_weights

            starting_weights(recipe, corpus)

    def missing_data(self, recipe: config.Recipe, machine: config.Machine) -> str | None:
        """How to prepare the corpus, where that has not been done; `grammar` makes itself."""
        from nlp.data.corpus import how_to_prepare, prepared

        if recipe.data == "grammar" or _prepared(recipe, machine):
            return None
        folder = _folder(recipe, machine)
        command = how_to_prepare(recipe.data, machine.data_folder, recipe.preparation)
        missing = f"data: {recipe.data} is not prepared in {folder}"
        others = list(prepared(machine.data_folder, recipe.data))
        if not others:
            return f"{missing}; run `{command}` first"
        ways = [f"{other.folder.name}, with {self._way_to(other, recipe)}" for other in others]
        return f"{missing}, but in {'; in '.join(ways)}; or run `{command}` first"

    def _way_to(self, corpus: Corpus, recipe: config.Recipe) -> str:
        """The flags that train a recipe on a corpus, and the presets that do."""
        presets = [
            f"--preset {name}"
            for name in self.preset_names()
            if (preset := self.preset_recipe(name)).preparation == corpus.preparation
            and self.task(preset) == corpus.name
        ]
        return " or ".join((*presets, " ".join(corpus.preparation.flags(recipe.preparation))))

    def preset_recipe(self, name: str) -> config.Recipe:
        """The recipe of a preset without flags."""
        import yaml

        values = yaml.safe_load((self.preset_folder() / f"{name}.yaml").read_text(encoding="utf-8"))
        return self.Recipe(**values)

    def prepare_data(self, recipe: config.Recipe, machine: config.Machine) -> None:
        """Make the corpus that needs no download, where it is not there yet."""
        if recipe.data != "grammar" or _prepared(recipe, machine):
            return
        require_packages()
        folder = _folder(recipe, machine)
        from nlp.data.prepare import prepare

        last = ""

        def show(stage: str, done: int, total: int) -> None:
            nonlocal last
            if stage != last:
                last = stage
                say(f"preparing {folder}: {stage}")

        corpus = prepare(
            recipe.data,
            machine.data_folder,
            recipe.preparation,
            progress=show,
        )
        corpus.check_batches(recipe.max_tokens)

    def max_population(self, recipe: config.Recipe, memory: FreeMemory) -> int:
        return int(memory.host > training_memory(recipe) + PROCESS_MEMORY)

    def disk(self, recipe: config.Recipe, machine: config.Machine) -> int:
        return run_disk(recipe)

    def core_seconds(self, recipe: config.Recipe, machine: config.Machine) -> float | None:
        """Forward, backward and step per target token; None before the corpus is prepared."""
        from nlp.data.corpus import Corpus

        tokens = TARGET_TOKENS.get(recipe.data)
        if tokens is None:
            try:
                tokens = Corpus.open(_folder(recipe, machine)).splits["train"]["target_tokens"]
            except ConfigError:
                return None
        return training_seconds(recipe, tokens)

    def train(
        self,
        recipe: config.Recipe,
        members: Sequence[Member],
        logs: Sequence[RunLog],
        machine: config.Machine,
        *,
        progress: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> Sequence[Outcome]:
        from nlp.training import train_members

        return train_members(recipe, members, logs, machine, progress=progress, stop=stop)

    def free_keys(self, recipe: Mapping[str, Any]) -> tuple[str, ...]:
        return "epochs", "log_every"

    def clean_up(self, run: Path, machine: config.Machine, *, finished: bool) -> None:
        """Keep the newest state, for a longer run; the weights that translate are in weights/."""
        from workload.checkpoint_files import CheckpointFiles

        if finished:
            CheckpointFiles(run).forget_previous()
        else:
            CheckpointFiles(run).delete()

    def doctor(self) -> Iterator[Finding]:
        from nlp.doctor import findings

        return findings()


def _folder(recipe: config.Recipe, machine: config.Machine) -> Path:
    from nlp.data.corpus import corpus_folder

    return corpus_folder(machine.data_folder, recipe.data, recipe.preparation)


def _prepared(recipe: config.Recipe, machine: config.Machine) -> bool:
    return (_folder(recipe, machine) / "corpus.json").exists()


WORKLOAD = TranslationWorkload()
