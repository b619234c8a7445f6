"""Translation as a workload of the suite. Importing it imports neither torch nor fairseq."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nlp.config import ConfigError, check_devices
from nlp.config import Machine as Machine
from nlp.config import Member as Member
from nlp.config import Recipe as Recipe
from nlp.config import Scheme as Scheme
from nlp.corpus import KNOWN, Corpus, corpus_folder, corpus_name, prepare_command
from nlp.progress import Progress
from nlp.report import REPORT
from shared_optim.checkpoint_files import CheckpointFiles
from shared_optim.member import Outcome
from suite import resources
from suite.damage import damage_explained
from suite.errors import FullDiskError, UserError
from suite.layers import presets
from suite.output import say
from suite.resources import Room
from suite.wording import amount, unknown

NAME = "nlp"
TITLE = "Translation with a transformer, under four kinds of weight decay in Adam."
PRESET = "iwslt14"
PRESET_KEY: str | None = "data"
TOGETHER = False
SUBJECT = "data"
STEP = "updates"
ROUND = "epoch"
report = REPORT

SECTIONS = {
    "What is trained, and how long": (
        "data",
        "source",
        "target",
        "bpe",
        "joined",
        "epochs",
        "log_every",
    ),
    "Optimizer": (
        "learning_rate",
        "warm_up",
        "beta1",
        "beta2",
        "adam_eps",
        "eps_placement",
        "rounding",
        "decay_schedule",
        "decay_biases",
        "clip_norm",
        "precision",
    ),
    "Model": ("width", "feed_forward", "heads", "layers", "dropout"),
    "Batches and loss": ("max_tokens", "accumulate", "label_smoothing"),
    "Decoding": ("beam", "validation_sentences", "average_last"),
}

# The rest of a training process: torch, fairseq, the activations of a batch.
PROCESS_MEMORY = 1_500_000_000
FLOAT = 4
IN_MEMORY = 6  # weights, gradient and at most four moments
IN_CHECKPOINT = 5  # weights and at most four moments, in two generations
TARGET_TOKENS = {"iwslt14": 3_949_114, "multi30k": 453_447}  # of the training pairs, for a guess
# On one shared core: results/evidence, multi30k (330 microseconds per target token with its
# validations and 3.5M weights) and iwslt14 (1.94 ms with 39.5M).
TOKEN_SECONDS, WEIGHT_SECONDS = 1.7e-4, 4.5e-11  # per target token, and per weight beside
PACKAGES = ("fairseq", "sacrebleu", "sacremoses", "subword_nmt")
HOW_TO_INSTALL = (
    "`make nlp` in the source's folder installs it, "
    "or `pip install 'wdbench[nlp]'` and scripts/install_fairseq.sh"
)


def subject(recipe: Recipe) -> str:
    """The corpus; of a folder its last name, as under data/."""
    return corpus_name(recipe.data)


def identity(recipe: Recipe) -> dict[str, Any]:
    """A corpus is the same however its folder was written."""
    return asdict(recipe) | {"data": subject(recipe)}


def parameters(recipe: Recipe, types: int) -> int:
    """Weights of the model whose dictionaries hold `types` words together.

    Attention has four matrices with biases, a feed-forward block two; each block ends in a norm.
    """
    width, hidden = recipe.width, recipe.feed_forward
    attention = 4 * width * (width + 1)
    feed_forward = 2 * width * hidden + hidden + width
    encoder = attention + feed_forward + 2 * 2 * width
    decoder = 2 * attention + feed_forward + 3 * 2 * width
    return recipe.layers * (encoder + decoder) + types * width


def _about(recipe: Recipe) -> int:
    """Parameters before the corpus is known: a dictionary has about as many types as merges."""
    return parameters(recipe, recipe.bpe if recipe.joined else 2 * recipe.bpe)


def _disk(recipe: Recipe) -> int:
    """Bytes of a run: two generations of state, the last epochs' weights and the best one's."""
    return _about(recipe) * FLOAT * (2 * IN_CHECKPOINT + recipe.average_last + 1)


def needs(recipe: Recipe, members: int) -> str:
    model = _about(recipe)
    runs = f"{members} runs, one after the other, each" if members > 1 else "one run"
    return (
        f"{runs} of about {model / 1e6:.1f} million parameters: {amount(IN_MEMORY * FLOAT * model)}"
        f" with gradients and Adam's buffers, up to {amount(members * _disk(recipe))} on disk"
    )


def validate(recipe: Recipe, machine: Machine) -> None:
    """Raise UserError for a corpus that is neither known nor prepared nor a folder of text."""
    prepared = corpus_folder(machine.data_folder, recipe.data, recipe.bpe, recipe.joined)
    if recipe.data in KNOWN or prepared.parent.is_dir() or Path(recipe.data).is_dir():
        return
    if recipe.data in presets(NAME):
        raise UserError(f"data: {recipe.data!r} is a preset; write --preset {recipe.data}")
    known = dict.fromkeys((*KNOWN, *presets(NAME)))
    if machine.data_folder.is_dir():
        known |= dict.fromkeys(sorted(folder.name for folder in machine.data_folder.iterdir()))
    mistake = unknown("corpus", recipe.data, known)
    raise UserError(f"data: no folder of parallel text, and {mistake}")


def require_packages() -> None:
    """Raise UserError, saying how to install it, where a package for translation is missing."""
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise UserError(f"translation needs {package}, not found here; {HOW_TO_INSTALL}")


def check(recipe: Recipe, machine: Machine, runs: Sequence[Path]) -> None:
    """Raise UserError where packages, corpus, device, memory or disk do not suffice."""
    require_packages()
    with _mistakes_explained():
        check_devices(recipe, machine)
        if recipe.data != "grammar" or _prepared(recipe, machine):
            _check_corpus(recipe, machine)
    if machine.device == "cuda" and resources.cuda_memory() is None:
        raise UserError("device cuda: torch finds no usable GPU here; allowed are auto and cpu")
    need, room = IN_MEMORY * FLOAT * _about(recipe) + PROCESS_MEMORY, resources.free_memory()
    if need > room:
        raise UserError(
            f"width: {needs(recipe, 1)}; a training process takes {amount(need)} of memory, "
            f"{amount(room)} are free; choose a smaller --width or --layers"
        )
    disk = len(runs) * _disk(recipe)
    free = resources.free_disk(runs[0]) + sum(map(resources.used_disk, runs))
    if disk > free:
        raise FullDiskError(
            f"runs: {len(runs)} runs such as {runs[0]} take up to {amount(disk)} on disk, "
            f"{amount(free)} are free; choose another --runs"
        )


def _prepared(recipe: Recipe, machine: Machine) -> bool:
    folder = corpus_folder(machine.data_folder, recipe.data, recipe.bpe, recipe.joined)
    return (folder / "corpus.json").exists()


def lacking(recipe: Recipe, machine: Machine) -> str | None:
    """How to prepare the corpus, where that has not been done; `grammar` makes itself."""
    if recipe.data == "grammar" or _prepared(recipe, machine):
        return None
    folder = corpus_folder(machine.data_folder, recipe.data, recipe.bpe, recipe.joined)
    command = prepare_command(recipe.data, folder, (recipe.source, recipe.target))
    return f"data: {recipe.data} is not prepared in {folder}; run `{command}` first"


def _check_corpus(recipe: Recipe, machine: Machine) -> None:
    folder = corpus_folder(machine.data_folder, recipe.data, recipe.bpe, recipe.joined)
    if problem := lacking(recipe, machine):
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


def position(run: Path, *, previous: bool) -> Any:
    with damage_explained():
        files = CheckpointFiles(run)
        entry = files.entry(previous=previous)
        if entry is None:
            if previous and files.entry() is not None:
                raise UserError(f"{run} has no checkpoint before the newest one")
            return None
        files.checked_file(previous=previous)
    return tuple(entry["position"])


def train(
    recipe: Recipe,
    members: Sequence[Member],
    logs: Sequence[Any],
    machine: Machine,
    *,
    progress: Callable[[Progress], None],
    stop: Callable[[], bool],
    previous: bool,
) -> Sequence[Outcome]:
    with _mistakes_explained(), damage_explained():
        from nlp import training

        return training.train(
            recipe, members, logs, machine, progress=progress, stop=stop, previous=previous
        )


def together(recipe: Recipe, room: Room) -> int:
    return int(room.host > IN_MEMORY * FLOAT * _about(recipe) + PROCESS_MEMORY)


def core_seconds(recipe: Recipe, machine: Machine) -> float | None:
    """Forward, backward and step per target token; None before the corpus is prepared."""
    tokens = TARGET_TOKENS.get(recipe.data)
    if tokens is None:
        folder = corpus_folder(machine.data_folder, recipe.data, recipe.bpe, recipe.joined)
        try:
            tokens = Corpus.open(folder).splits["train"]["target_tokens"]
        except ConfigError:
            return None
    per_token = TOKEN_SECONDS + WEIGHT_SECONDS * _about(recipe)
    return recipe.epochs * tokens * per_token


def provide(recipe: Recipe, machine: Machine) -> None:
    """Make the corpus that needs no download, where it is not there yet."""
    if recipe.data != "grammar" or _prepared(recipe, machine):
        return
    require_packages()
    folder = corpus_folder(machine.data_folder, recipe.data, recipe.bpe, recipe.joined)
    from nlp.prepare import prepare

    shown = ""

    def show(stage: str, done: int, total: int) -> None:
        nonlocal shown
        if stage != shown:
            shown = stage
            say(f"preparing {folder}: {stage}")

    with _mistakes_explained():
        corpus = prepare(
            recipe.data,
            machine.data_folder,
            bpe=recipe.bpe,
            joined=recipe.joined,
            source=recipe.source,
            target=recipe.target,
            progress=show,
        )
        corpus.check_batches(recipe.max_tokens)


def discard(run: Path) -> None:
    """Delete the optimizer's state; the weights that translate are in weights/."""
    shutil.rmtree(run / "checkpoint", ignore_errors=True)


@contextmanager
def _mistakes_explained() -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise UserError(str(error)) from error
