"""Figures that are saved as files which only say so: to render them takes a second each."""

from pathlib import Path

from matplotlib.figure import Figure


def without_drawing(patch):
    """Have no figure rendered while `patch`, a MonkeyPatch, lasts."""

    def save(figure, target, **options):
        if isinstance(target, str | Path):
            Path(target).touch()
        else:
            target.write(b"a figure")

    patch.setattr(Figure, "savefig", save)
