"""`wdbench theory MODEL`: what theory says of a small model, beside what training it gives."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from vision.theory import diagonal_net, logistic, noise
from vision.theory.study import StudyFiles
from workload.exhibits.drawing import typography
from workload.output import say, stage_line

MODELS: dict[str, ModuleType] = {
    "diagonal-net": diagonal_net,
    "max-margin": logistic,
    "noise": noise,
}


def main(parser: ArgumentParser, arguments: Sequence[str]) -> int:
    """Study one model, print its table, and write its figure and its numbers."""
    models = parser.add_subparsers(dest="model", metavar="MODEL", required=True)
    for name, module in MODELS.items():
        own = models.add_parser(name, help=module.TEXT, description=module.DESCRIPTION)
        module.add_flags(own)
        own.add_argument(
            "--out", type=Path, default=Path("theory"), metavar="FOLDER",
            help="where the figure and the numbers go; default %(default)s",
        )  # fmt: skip
    values = parser.parse_args(arguments)
    module = MODELS[values.model]
    module.check(values)
    files = StudyFiles(values.out, values.model)
    with typography(), stage_line() as show:
        study = module.study(values, show)
    say(study.text())
    for path in files.write(study):
        say(str(path))
    return 0
