"""Language models as a workload. Importing it imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workload import resources
from workload.contract import Command, Demo
from workload.errors import UserError
from workload.network_workload import NetworkWorkload
from workload.output import say
from workload.wording import amount, unknown

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from lm import config
    from lm.data.prepared import Prepared
    from workload.contract import Reference
    from workload.findings import Finding
    from workload.member import Member, Outcome, RunLog
    from workload.progress import Progress
    from workload.report import Report
    from workload.resources import FreeMemory


def _prepare(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    from lm.data.command import main

    return main(parser, arguments)


class LanguageWorkload(NetworkWorkload["config.Recipe", "config.Machine"]):
    NAME = "lm"
    TITLE = "Small language models under weight decay, one pass over a text."
    EXAMPLE = "--preset grammar-tiny --scheme decoupled --weight-decay 0.1"
    DEMO = Demo(
        "a small GPT with and without decay on sentences made by code, in a minute",
        ("--preset grammar-tiny --scheme none decoupled --weight-decay 0.1",),
    )
    PRESET = "gpt2-124m"
    TASK_KEY = "data"
    STEP_KEY = "updates"
    EPOCH_KEY = "round"
    LENGTH_KEY = "rounds"
    SECTIONS = {  # noqa: RUF012
        "What is trained, and how long": (
            *("data", "tokens", "vocabulary", "rounds", "updates_per_round"),
            *("evaluation_windows", "divergence", "log_every"),
        ),
        "Model": ("layers", "heads", "width", "context"),
        "Optimizer": (
            *("optimizer", "learning_rate", "learning_rate_schedule", "warm_up", "clip_norm"),
            *("momentum", "nesterov", "beta1", "beta2", "adam_eps", "eps_placement", "rounding"),
            *("precision", "weights"),
        ),
        "Weight decay": ("decay_schedule", "decay_biases"),
        "Beginning": ("branch",),
        "Mean of the weights": ("average_weights",),
        "Batches": ("batch_size", "accumulate"),
    }
    OTHER_NAMES = {  # noqa: RUF012
        "max_iters": "--rounds of --updates-per-round",
        "eval_interval": "--updates-per-round",
        "eval_iters": "--evaluation-windows",
        "block_size": "--context",
        "n_layer": "--layers",
        "n_head": "--heads",
        "n_embd": "--width",
        "gradient_accumulation_steps": "--accumulate",
        "grad_clip": "--clip-norm",
        "warmup_iters": "--warm-up",
        "decay_lr": "--learning-rate-schedule",
        "min_lr": "--learning-rate-schedule cosine:FINAL, a share of the peak",
        "dataset": "--data",
        "dtype": "--precision, and --weights",
    }
    COMMANDS = (
        Command(
            name="prepare",
            text="make tokens of a text for `run lm`",
            description="Prepare a text for `run lm`. What is finished is not redone.",
            main=_prepare,
            examples=(
                "wdbench prepare text novels.txt",
                "wdbench prepare text novels.txt --tokens bpe --vocabulary 2000",
            ),
            accepts=lambda argument: argument == "text",
            takes="text FILE or text FOLDER",
        ),
    )
    PACKAGES = ("tokenizers",)

    @property
    def Recipe(self) -> type[config.Recipe]:
        from lm.config import Recipe

        return Recipe

    @property
    def Machine(self) -> type[config.Machine]:
        from lm.config import Machine

        return Machine

    @property
    def report(self) -> Report:
        from lm.report import REPORT

        return REPORT

    def task(self, recipe: config.Recipe) -> str:
        """The text; of a file or folder its last name, as under data/."""
        return recipe.text.name

    def resolved(self, recipe: config.Recipe) -> dict[str, Any]:
        """Texts and runs are the same however their places were written."""
        from workload.reference import run_name

        branch = recipe.branch
        if branch:
            branch = f"{run_name(recipe.branch_run)}@{recipe.branch_number}"
        return super().resolved(recipe) | {"data": self.task(recipe), "branch": branch}

    def free_keys(self, recipe: Mapping[str, Any]) -> tuple[str, ...]:
        """The length is one where alpha does not depend on it; that of a branch counts from its
        trunk's beginning: cut to it, other runs would be compared at a random round."""
        fixed = recipe["learning_rate_schedule"].startswith(("cosine", "wsd"))
        length = () if fixed or recipe["branch"] else ("rounds",)
        return (*length, "evaluation_windows", "log_every")

    def memory_summary(self, recipe: config.Recipe, members: int) -> str:
        from lm.cost import parameters, run_disk, training_memory

        runs = f"{members} runs, one after the other, each" if members > 1 else "one run"
        return (
            f"{runs} of about {parameters(recipe):,} parameters: "
            f"{amount(training_memory(recipe))} of memory, up to "
            f"{amount(members * run_disk(recipe))} on disk"
        )

    def validate(self, recipe: config.Recipe, machine: config.Machine) -> None:
        """Raise UserError for a text that is neither known nor prepared nor there."""
        from lm.data.spec import KNOWN

        spec, data = recipe.text, machine.data_folder
        if spec.name in KNOWN or Path(recipe.data).exists() or (data / spec.name).is_dir():
            return
        if recipe.data in self.preset_names():
            raise UserError(f"data: {recipe.data!r} is a preset; write --preset {recipe.data}")
        known = list(KNOWN)
        if data.is_dir():
            known += sorted(record.parent.parent.name for record in data.glob("*/*/text.json"))
        raise UserError(f"data: no text, and {unknown('data', recipe.data, dict.fromkeys(known))}")

    def references(
        self, recipe: config.Recipe, members: Sequence[Member]
    ) -> Sequence[Reference[config.Recipe]]:
        """The runs that are gone on from, where they are named."""
        from workload.reference import branch_reference

        found = [branch_reference(recipe, member) for member in members]
        return [each for each in found if each is not None]

    def reference_problem(
        self,
        recipe: config.Recipe,
        run: Path,
        training: tuple[config.Recipe, config.Machine] | None,
    ) -> str | None:
        """The state after a round that a branch begins with."""
        from workload.keeping import will_keep

        if not recipe.branch:
            return None
        place = recipe.branch_round
        plan = training and (training[0].rounds, training[1].keep_every)
        if will_keep(run, place, plan, "round"):
            return None
        where = "" if training else " in another --runs, for it has finished,"
        return (
            f"branch: {run} will have no state of update {recipe.branch_number}, the end of round "
            f"{place}; train it{where} with keep_every a divisor of {place}"
        )

    def check(self, recipe: config.Recipe, machine: config.Machine, runs: Sequence[Path]) -> None:
        """Raise UserError where text, device, memory or disk do not suffice."""
        from lm.cost import run_disk, training_memory
        from lm.window_count import require_windows

        if problem := self.missing_data(recipe, machine):
            raise UserError(problem)
        prepared = self._prepared(recipe, machine)
        if prepared is not None:
            require_windows(recipe, prepared)
        resources.check_device(machine.device)
        need = training_memory(recipe, prepared.vocabulary if prepared else None)
        if machine.device != "cuda" and need > (memory := resources.free_memory()):
            raise UserError(
                f"width: {self.memory_summary(recipe, 1)}; {amount(memory)} are free; choose a "
                "smaller --width or --batch-size"
            )
        self.check_disk(runs, run_disk(recipe, machine.keep_every))

    def missing_data(self, recipe: config.Recipe, machine: config.Machine) -> str | None:
        """How to prepare the text, where that has not been done; `grammar` makes itself."""
        from lm.data.spec import EMBEDDED

        spec, folder = recipe.text, recipe.text.folder(machine.data_folder)
        if spec.name == EMBEDDED:
            return None
        if spec.tokens == "bin":
            if (folder / "train.bin").exists() and (folder / "val.bin").exists():
                return None
            return (
                f"data: {folder} has no train.bin and val.bin; nanoGPT's data/{spec.name}/"
                "prepare.py makes them, or choose other --tokens"
            )
        if (folder / "text.json").exists():
            return None
        command = spec.command(machine.data_folder)
        return f"data: {spec.name} is not prepared in {folder}; run `{command}` first"

    def prepare_data(self, recipe: config.Recipe, machine: config.Machine) -> None:
        """Make the text that needs nothing from elsewhere, where it is not there yet."""
        from lm.data.spec import EMBEDDED

        spec, folder = recipe.text, recipe.text.folder(machine.data_folder)
        if spec.name != EMBEDDED or spec.tokens == "bin" or (folder / "text.json").exists():
            return
        from lm.data.prepare import prepare

        say(f"preparing {folder}")
        prepare(spec.name, machine.data_folder, tokens=spec.tokens, vocabulary=spec.vocabulary)

    def max_population(self, recipe: config.Recipe, memory: FreeMemory) -> int:
        from lm.cost import training_memory

        return int(memory.host > training_memory(recipe))

    def disk(self, recipe: config.Recipe, machine: config.Machine) -> int:
        from lm.cost import run_disk

        return run_disk(recipe, machine.keep_every)

    def core_seconds(self, recipe: config.Recipe, machine: config.Machine) -> float | None:
        from lm.cost import training_seconds

        return training_seconds(recipe)

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
        from lm.training import train_members

        return train_members(recipe, members, logs, machine, progress=progress, stop=stop)

    def doctor(self) -> Iterator[Finding]:
        from lm.doctor import findings

        return findings()

    def _prepared(self, recipe: config.Recipe, machine: config.Machine) -> Prepared | None:
        """What is prepared; None of what makes itself, and has not yet.

        Raises ConfigError where it is damaged.
        """
        from lm.data.prepared import RECORD, Prepared

        spec, data = recipe.text, machine.data_folder
        if spec.tokens != "bin" and not (spec.folder(data) / RECORD).exists():
            return None
        return Prepared.open(spec, data)


WORKLOAD = LanguageWorkload()
