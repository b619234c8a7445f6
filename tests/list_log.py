"""A run's log for tests that train without the suite, and the end of a process."""

import json
import math
from pathlib import Path


class ListLog:
    """A run's log that keeps rows in lists, and in its run directory's stead for a resume."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        kept = path / "rows.json"
        self.rows = json.loads(kept.read_text()) if kept.exists() else {"metrics": [], "eval": []}

    def metrics(self, row):
        self._add("metrics", row)

    def evaluation(self, row):
        self._add("eval", row)

    def own(self, file, row):
        self._add(file, row)

    def remark(self, text):
        self._add("remarks", text)

    def offsets(self):
        return {name: len(rows) for name, rows in self.rows.items()}

    def rewind(self, offsets):
        self.rows = {
            name: rows if name == "remarks" else rows[: offsets.get(name, 0)]
            for name, rows in self.rows.items()
        }

    def _add(self, name, row):
        self.rows.setdefault(name, []).append(row)
        (self.path / "rows.json").write_text(json.dumps(self.rows))


class Killed(Exception):
    """Stands for the end of the process: whatever is not on disk by then is gone."""


class DyingLog(ListLog):
    """The process ends at the n-th row or question whether to stop, whichever comes."""

    left = math.inf

    def metrics(self, row):
        self.tick()
        super().metrics(row)

    def evaluation(self, row):
        self.tick()
        super().evaluation(row)

    def tick(self):
        self.left -= 1
        if self.left < 0:
            raise Killed


class Asked:
    """Says stop at the n-th question and from then on."""

    def __init__(self, number=math.inf):
        self.number, self.questions = number, 0

    def __call__(self):
        self.questions += 1
        return self.questions >= self.number
