"""Which runs of a grid wait for which: what a run reads of others is trained before. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from suite.batch.grid_file import GridRun
from suite.runs.directory import Run
from suite.runs.final import read_final
from workload.errors import UserError
from workload.exhibits.labels import settings
from workload.wording import counted


@dataclass(frozen=True)
class Order:
    """The runs of a grid that read others.

    Attributes:
        references: what a run reads, by its path; only of those that read any.
        missing: what is read, is not in the grid and has not finished: each with the runs that
            read it.
        unfit: a sentence for what is read and will not hold what its readers need.
    """

    references: Mapping[Path, tuple[Run, ...]]
    missing: Sequence[tuple[Run, tuple[GridRun, ...]]]
    unfit: Sequence[str]

    @classmethod
    def of(cls, runs: Sequence[GridRun], folder: Path) -> "Order":
        """Ask the workloads; `folder` is that of all runs."""
        by_path = {run.run.path: run for run in runs}
        references: dict[Path, tuple[Run, ...]] = {}
        missing: dict[Path, tuple[Run, list[GridRun]]] = {}
        unfit: list[str] = []
        for run in runs:
            found = [
                Run.of(run.workload, recipe, member, folder)
                for recipe, member in run.workload.references(run.recipe, [run.member])
            ]
            if found:
                references[run.run.path] = tuple(found)
            for reference in found:
                trained = by_path.get(reference.path)
                if trained is None and not _finished(reference):
                    missing.setdefault(reference.path, (reference, []))[1].append(run)
                elif _status(run.run) is None and (problem := _problem(run, reference, trained)):
                    unfit.append(problem)
        absent = [(reference, tuple(own)) for reference, own in missing.values()]
        return cls(references, absent, list(dict.fromkeys(unfit)))

    def check(self) -> None:
        """Raise UserError where a run reads what is neither in the grid nor finished, or what will
        not be kept."""
        if problems := self.describe_missing():
            raise UserError("; ".join(problems))

    def describe_missing(self) -> list[str]:
        """A sentence for each run that is missing, and for each that will not hold what is read."""
        absent = [
            f"{_name(reference, readers[0])} is read by {counted(len(readers), 'run')} such as "
            f"{readers[0].run.path}, and {_why(reference)}"
            for reference, readers in self.missing
        ]
        return [*absent, *self.unfit]

    def stages(self, runs: Sequence[GridRun]) -> list[list[GridRun]]:
        """The runs, each in a later stage than those that it reads; else in their order."""
        by_path = {run.run.path: run for run in runs}
        sorter: TopologicalSorter[Path] = TopologicalSorter()
        for path in by_path:
            read = [reference.path for reference in self.references.get(path, ())]
            sorter.add(path, *(each for each in read if each in by_path))
        sorter.prepare()
        found = []
        while sorter.is_active():
            ready = set(sorter.get_ready())
            found.append([run for path, run in by_path.items() if path in ready])
            sorter.done(*ready)
        return found

    def waits_for(self, path: Path) -> Run | None:
        """What a run reads that has not finished; None where it can be trained."""
        references = self.references.get(path, ())
        return next((each for each in references if not _finished(each)), None)

    def diverged(self, path: Path) -> Run | None:
        """What a run reads, itself or through others, that has diverged: it cannot be trained.
        None where there is no such run."""
        for reference in self.references.get(path, ()):
            if _status(reference) == "diverged":
                return reference
            if not _finished(reference) and (found := self.diverged(reference.path)) is not None:
                return found
        return None

    def describe_hopeless(self, runs: Sequence[GridRun]) -> list[str]:
        """A sentence for each run that has diverged and is read by some of these."""
        readers: dict[Path, list[Path]] = {}
        for run in runs:
            if (reference := self.diverged(run.run.path)) is not None:
                readers.setdefault(reference.path, []).append(run.run.path)
        return [
            f"{counted(len(paths), 'run')} such as {paths[0]} cannot be trained: {reference}, "
            "which is read, has diverged; choose another recipe for it, or leave its readers out"
            for reference, paths in readers.items()
        ]


def _problem(reader: GridRun, reference: Run, trained: GridRun | None) -> str | None:
    """What a reference will not hold of what its reader needs; `trained` is how the grid has it."""
    training = None
    if trained is not None and trained.run.done() is None:
        training = trained.recipe, trained.machine
    return reader.workload.reference_problem(reader.recipe, reference.path, training)


def _finished(run: Run) -> bool:
    """Whether it has, however long it is: whether that suffices its reader knows."""
    return _status(run) == "finished"


def _status(run: Run) -> str | None:
    """How it has ended; None where it has not."""
    record = read_final(run.path)
    return None if record is None else record.get("status")


def _why(reference: Run) -> str:
    """What keeps one that is missing from being read, and what to do."""
    if _status(reference) == "diverged":
        return "has diverged: choose another recipe for it"
    return "is neither in the grid nor finished: add it to the grid, or train it first"


def _name(reference: Run, reader: GridRun) -> str:
    """Its scheme, lambda and seed, and what of its recipe is unlike its reader's."""
    members = [reference.member, reader.member]
    recipes = [reference.config["recipe"], reader.run.config["recipe"]]
    name, *unlike = settings(members, recipes, set())[0].split()
    given = [each for each in unlike if not each.endswith("=")]
    return " ".join([f"{name}/seed{reference.member.seed}", *given])
