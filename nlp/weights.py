"""Weights of finished epochs: written by training, averaged, loaded to translate.

RUN/weights/epoch003.pt    weights after three epochs; the last n are kept, and the best
RUN/weights/corpus.json    with dictionaries and codes beside it: a run translates wherever it lies
RUN/weights/best.pt        the epoch with the highest validation BLEU, of equal ones that of the
                           lowest validation loss; the same file once more
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nlp.config import Recipe
from nlp.data.corpus import RECORD, Corpus
from nlp.fairseq_model import build_model, build_task
from workload import tensor_file
from workload.by_products import discard
from workload.errors import ConfigError
from workload.files import TEMPORARY, replace, write_whole
from workload.output import warn


@dataclass(frozen=True)
class TrainedModel:
    """A model ready to translate, in evaluation mode."""

    model: nn.Module
    task: Any
    corpus: Corpus
    recipe: Recipe


def dictionary_digests(corpus: Corpus) -> dict[str, str]:
    """sha256 of both dictionaries: weights mean nothing with any other."""
    return {
        language: hashlib.sha256(corpus.dictionary(language).read_bytes()).hexdigest()
        for language in (corpus.source, corpus.target)
    }


def save(run: Path, epoch: int, model: nn.Module, recipe: Recipe, corpus: Corpus) -> Path:
    """Write the weights after `epoch` epochs, whole or not at all."""
    path = file_of(run, epoch)
    path.parent.mkdir(exist_ok=True)
    corpus.copy_vocabulary(path.parent)
    content = {
        "weights": {name: value.cpu() for name, value in model.state_dict().items()},
        "recipe": recipe.values(),
        "dictionaries": dictionary_digests(corpus),
    }
    write_whole(path, lambda stream: torch.save(content, stream))
    return path


def mark_best(path: Path) -> None:
    """Make `best.pt` these weights."""
    temporary = path.with_name(f"best{TEMPORARY}")
    temporary.unlink(missing_ok=True)
    best = path.with_name("best.pt")
    try:
        os.link(path, temporary)
    except OSError:  # a file system without such links
        write_whole(best, path.read_bytes())
    else:
        replace(temporary, best)


def keep_last(run: Path, epoch: int, count: int) -> None:
    """Delete the weights of all but the `count` newest epochs up to `epoch`, and leftovers."""
    for path in (run / "weights").glob(f"*{TEMPORARY}"):
        discard(path)
    for path in (run / "weights").glob("epoch*.pt"):
        number = path.stem.removeprefix("epoch")
        if number.isdecimal() and int(number) <= epoch - count:
            discard(path)


def load_model(
    run: Path, data_dir: Path, *, averaged: bool = False, device: torch.device | None = None
) -> TrainedModel:
    """The best epoch of a run, or the mean of its last ones, with the dictionaries and codes that
    lie beside them; those of runs of earlier versions are taken from `data_dir`.

    Raises:
        ConfigError: there are no weights yet, they are damaged, or the corpus's dictionaries are
            not those they were trained with.
    """
    files = _last(run) if averaged else [run / "weights" / "best.pt"]
    if not files or not files[0].exists():
        raise ConfigError(
            f"{files[0]} is missing; --averaged takes the mean of the last epochs"
            if not averaged and _last(run)
            else f"{run} has no trained weights yet: they are written after the first epoch"
        )
    way_on = "move it away: the mean is then that of the other epochs"
    if not averaged:
        way_on = "--averaged takes the mean of the last epochs"
    contents = [_read(file, way_on) for file in files]
    recipe = Recipe(**contents[0]["recipe"])
    corpus = _vocabulary(run, data_dir, recipe)
    check_dictionaries(corpus, contents[0]["dictionaries"], files[0])
    task = build_task(recipe, corpus)
    model = build_model(recipe, task)
    model.load_state_dict(average([content["weights"] for content in contents]))
    return TrainedModel(model.to(device or "cpu").eval(), task, corpus, recipe)


def starting_weights(recipe: Recipe, corpus: Corpus) -> dict[str, Tensor]:
    """The weights that `recipe.init_from` names.

    Raises:
        ConfigError: there are none, or they are of another vocabulary or size.
    """
    path = Path(recipe.init_from)
    file = path / "weights" / "best.pt" if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(f"init_from: {path} is neither a run with weights nor a file of them")
    content = _read(file)
    check_dictionaries(corpus, content["dictionaries"], file)
    for key in ("width", "feed_forward", "heads", "layers", "joined"):
        theirs, ours = content["recipe"][key], getattr(recipe, key)
        if theirs != ours:
            raise ConfigError(f"init_from: {file} has {key} {theirs}, this run {ours}")
    weights: dict[str, Tensor] = content["weights"]
    return weights


def load_weights(run: Path, *, averaged: bool) -> dict[str, Tensor]:
    """The weights that `load_model` would take."""
    files = _last(run) if averaged else [run / "weights" / "best.pt"]
    return average([_read(file)["weights"] for file in files])


def is_sound(file: Path) -> bool:
    """Whether weights can be read."""
    try:
        _read(file)
    except ConfigError:
        return False
    return True


def file_of(run: Path, epoch: int) -> Path:
    """Where the weights after an epoch are."""
    return run / "weights" / f"epoch{epoch:03d}.pt"


def average(weights: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of every weight, summed in float64; what is no floating point is the last's."""
    result = dict(weights[-1])
    for name, value in result.items():
        if len(weights) > 1 and value.is_floating_point():
            total = sum((each[name].double() for each in weights), torch.zeros(()).double())
            result[name] = (total / len(weights)).to(value.dtype)
    return result


def _last(run: Path) -> list[Path]:
    files = (run / "weights").glob("epoch*.pt")
    return sorted(path for path in files if path.stem.removeprefix("epoch").isdecimal())


def _vocabulary(run: Path, data_dir: Path, recipe: Recipe) -> Corpus:
    """Dictionaries and codes beside a run's weights; where those are damaged, or there are none,
    as in runs of earlier versions, the prepared corpus's."""
    own = run / "weights"
    if not (own / RECORD).exists():
        return Corpus.find(data_dir, recipe.data, recipe.preparation)
    try:
        return Corpus.open(own)
    except (ConfigError, OSError) as damaged:
        problem = str(damaged).partition(";")[0]
        try:
            corpus = Corpus.find(data_dir, recipe.data, recipe.preparation)
        except ConfigError as error:
            raise ConfigError(
                f"{problem}; the corpus that it was copied from has the same: give its folder with "
                "--data-dir, or prepare it again"
            ) from error
        warn(f"{problem}; what is in {corpus.folder} is taken")
        return corpus


def _read(file: Path, way_on: str = "move it away") -> dict[str, Any]:
    try:
        content = tensor_file.load(file)
        content["weights"], content["recipe"], content["dictionaries"]
    except Exception as error:  # torch reports damage in many ways
        raise ConfigError(
            f"{file} is damaged: it holds no weights of this suite; {way_on}"
        ) from error
    return content


def check_dictionaries(corpus: Corpus, digests: dict[str, str], file: Path) -> None:
    """Raise ConfigError unless `file`, of weights, was made with the corpus's dictionaries."""
    for language, digest in dictionary_digests(corpus).items():
        if digests.get(language) != digest:
            raise ConfigError(
                f"{corpus.dictionary(language)} is not the dictionary that {file} was trained "
                "with; prepare the corpus as it was, or give its folder with --data-dir"
            )
