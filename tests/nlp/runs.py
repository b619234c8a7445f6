"""Training in a test: kills and stops at a chosen update."""

import dataclasses
from pathlib import Path

from nlp.config import Machine, Recipe
from nlp.data.prepare import prepare
from nlp.data.spec import Preparation
from tests.list_log import Killed, ListLog
from workload.grammar import pairs

SIZES = {"bpe": 60, "joined": True, "width": 16, "feed_forward": 16, "heads": 2, "layers": 1}
"""Of a model that nobody trained."""
SMALL = Recipe(
    data="sentences",
    bpe=150,
    joined=True,
    epochs=2,
    width=16,
    feed_forward=32,
    heads=2,
    layers=1,
    dropout=0.1,
    learning_rate=5e-3,
    warm_up=4,
    max_tokens=256,
    beam=2,
    average_last=2,
    log_every=3,
)
TAUGHT = dataclasses.replace(SMALL, width=32, feed_forward=64, layers=2, beam=5)
"""Of the fixture `taught`."""


def prepared(folder: Path, train=140, held_out=16, bpe=150) -> Path:
    """The data folder with the corpus `sentences`: pairs of our grammar, with as many in valid as
    in test."""
    text = folder / "sentences"
    text.mkdir(parents=True)
    sentences = iter(pairs(train + 2 * held_out))
    for split, count in (("train", train), ("valid", held_out), ("test", held_out)):
        sides = zip(*(next(sentences) for _ in range(count)), strict=True)
        for language, side in zip(("de", "en"), sides, strict=True):
            lines = "".join(f"{line}\n" for line in side)
            (text / f"{split}.{language}").write_text(lines, encoding="utf-8")
    prepare(str(text), folder / "data", Preparation(bpe=bpe, joined=True), jobs=1)
    return folder / "data"


def train_one(
    folder,
    member,
    data_dir,
    *,
    recipe=SMALL,
    device="cpu",
    kill_after=None,
    stop_after=None,
    stop=lambda: False,
    **rest,
):
    """Train and return the log and the outcome.

    `kill_after` raises out of the training at the so-manieth progress report, which come after
    every update and now and then while decoding; `stop_after` asks it to stop there, and so does
    `stop`.
    """
    from nlp.training import train_members

    log = ListLog(folder)
    reports = 0

    def progress(report):
        nonlocal reports
        reports += 1
        if reports == kill_after:
            raise Killed

    machine = Machine(
        device=device,
        threads=1,
        checkpoint_every=rest.pop("checkpoint_every", 4),
        devices=rest.pop("devices", 1),
        graphs=rest.pop("graphs", "auto"),
        data_dir=str(data_dir),
    )
    (outcome,) = train_members(
        recipe,
        [member],
        [log],
        machine,
        progress=progress,
        stop=lambda: stop() or (stop_after is not None and reports + 1 >= stop_after),
        **rest,
    )
    return log, outcome
