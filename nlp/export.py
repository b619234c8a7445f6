"""`wdbench export RUN --to fairseq|ctranslate2 --out FOLDER`: a model for other programs."""

import importlib.util
import shutil
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from nlp.packages import require_packages
from workload.errors import UserError
from workload.identity import read_config
from workload.output import say

if TYPE_CHECKING:
    from nlp.weights import TrainedModel

CHECKPOINT = "checkpoint.pt"
ARCHITECTURE = "transformer_iwslt_de_en"


def main(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    parser.add_argument("run", type=Path, metavar="RUN", help="run directory")
    parser.add_argument(
        "--to", choices=("fairseq", "ctranslate2"), required=True, help="the other program"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="a folder that is not there yet"
    )
    parser.add_argument(
        "--averaged", action="store_true", help="the mean of the last epochs, not the best epoch"
    )
    for flag in ("--data_dir", "--data-dir"):
        parser.add_argument(
            flag, type=Path, default=Path("data"), metavar="DIR", help="where corpora are kept"
        )
    values = parser.parse_args(arguments)
    if read_config(values.run)["workload"] != "nlp":
        raise UserError(f"{values.run} is no nlp run: there is nothing to export")
    if values.out.exists():
        raise UserError(f"--out: {values.out} is there already; name a folder that is not")
    require_packages()
    if values.to == "ctranslate2" and importlib.util.find_spec("ctranslate2") is None:
        raise UserError("--to ctranslate2 needs ctranslate2; `pip install ctranslate2`")
    from nlp import weights

    model = weights.load_model(values.run, values.data_dir, averaged=values.averaged)
    values.out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=values.out.parent, prefix=f".{values.out.name}.") as temporary:
        new = Path(temporary) / "model"
        (to_fairseq if values.to == "fairseq" else to_ctranslate2)(model, new)
        new.rename(values.out)
    say(f"ready in {values.out}")
    return 0


def to_fairseq(trained: "TrainedModel", folder: Path) -> None:
    """A folder for `fairseq-generate` and `fairseq-interactive FOLDER --path FOLDER/checkpoint.pt`:
    checkpoint, dictionaries, and what text is split into subwords by.

    The checkpoint holds tensors and plain values alone, which any torch reads.
    """
    import torch
    from omegaconf import OmegaConf

    from nlp.fairseq_model import quiet

    with quiet():
        from fairseq.dataclass.utils import convert_namespace_to_omegaconf

        arguments = _arguments(trained)
        config = convert_namespace_to_omegaconf(arguments)
        model: dict[str, Any] = vars(arguments) | {"_name": ARCHITECTURE}
        config.model = None
        content: Any = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
        content["model"] = model
    folder.mkdir()
    _copy_vocabulary(trained, folder)
    torch.save(_checkpoint(trained) | {"args": None, "cfg": content}, folder / CHECKPOINT)


def to_ctranslate2(trained: "TrainedModel", folder: Path) -> None:
    """A folder for `ctranslate2.Translator`, by CTranslate2's own converter, and in it what text is
    split into subwords by."""
    import argparse

    import torch
    from ctranslate2.converters import FairseqConverter

    from nlp.fairseq_model import quiet

    with TemporaryDirectory(dir=folder.parent) as temporary:
        checkpoint = Path(temporary) / CHECKPOINT
        _copy_vocabulary(trained, Path(temporary))
        torch.save(_checkpoint(trained) | {"args": _arguments(trained)}, checkpoint)
        # the converter reads the Namespace of a checkpoint of fairseq's
        with torch.serialization.safe_globals([argparse.Namespace]), quiet():
            FairseqConverter(str(checkpoint), temporary).convert(str(folder))
    corpus = trained.corpus
    if corpus.codes.is_file():
        shutil.copyfile(corpus.codes, folder / corpus.codes.name)


def _arguments(trained: "TrainedModel") -> Any:
    from nlp.fairseq_model import model_arguments

    arguments = model_arguments(trained.recipe)
    arguments.arch, arguments.task = ARCHITECTURE, "translation"
    arguments.criterion = "cross_entropy"
    arguments.source_lang, arguments.target_lang = trained.corpus.preparation.pair
    arguments.left_pad_source, arguments.left_pad_target = True, False
    return arguments


def _checkpoint(trained: "TrainedModel") -> dict[str, Any]:
    history = {
        "criterion_name": "CrossEntropyCriterion",
        "optimizer_name": "FairseqAdam",
        "lr_scheduler_state": {"best": None},
        "num_updates": 0,
    }
    extra = {"train_iterator": {"epoch": trained.recipe.epochs, "iterations_in_epoch": 0}}
    weights = {name: value.cpu() for name, value in trained.model.state_dict().items()}
    return {"model": weights, "optimizer_history": [history], "extra_state": extra}


def _copy_vocabulary(trained: "TrainedModel", folder: Path) -> None:
    for file in trained.corpus.vocabulary_files:
        shutil.copyfile(file, folder / file.name)
