"""Run directories: with rows of a test's choice, and those that a command has left."""

import json
from pathlib import Path

import torch

from nlp.data.corpus import corpus_folder
from nlp.data.spec import Preparation
from nlp.workload import WORKLOAD as NLP
from rl.workload import WORKLOAD as RL
from suite.runs.directory import Run, locked
from suite.runs.log import RunLogFiles
from workload.checkpoint_files import CheckpointFiles
from workload.files import write_json
from workload.member import Member

SMALL = ["run", "rl", "--replay-capacity", "20000", "--device", "cpu"]


def make_run(runs, scheme="none", weight_decay=0.0, seed=0, *, rows=(), scores=(), **recipe):
    """A run with these rows of metrics, and one evaluation per score after 1,000 steps each."""
    member = Member(scheme, weight_decay, seed)
    run = Run.of(RL, RL.Recipe(**recipe), member, Path(runs))
    with locked([run]), RunLogFiles(run.path, "agent_steps", "iteration") as log:
        for row in rows:
            log.metrics(row)
        for i, score in enumerate(scores):
            log.evaluation({"iteration": i, "agent_steps": 1000 * (i + 1), **score})
    return run


def make_translation(
    runs, scheme="none", weight_decay=0.0, seed=0, *, rows=(), scores=(), **recipe
):
    """A translation run with these rows of metrics and of evaluations."""
    member = Member(scheme, weight_decay, seed)
    run = Run.of(NLP, NLP.Recipe(**recipe), member, Path(runs))
    with locked([run]), RunLogFiles(run.path, "updates", "epoch") as log:
        for row in rows:
            log.metrics(row)
        for score in scores:
            log.evaluation(score)
    return run


def checkpoint(run, name, position):
    """Publish a state that holds its own name."""
    files = CheckpointFiles(run)
    digest = files.write(name, lambda stream: stream.write(name.encode()))
    files.publish({"file": name, "sha256": digest, "position": position, "rows": 0})


def contents(run):
    """What a run leaves that depends on what was trained alone, by file: of states their values,
    whose bytes on disk also depend on which objects were one."""
    names = ("metrics.jsonl", "eval.jsonl", "config.json", "test.*", "*/*.pt")
    files = sorted(path for name in names for path in run.glob(name))
    return {
        str(path.relative_to(run)): values(torch.load(path, weights_only=True))
        if path.suffix == ".pt"
        else path.read_bytes()
        for path in files
    }


def values(state):
    """A state with tensors as types, shapes and bytes, to be compared."""
    match state:
        case torch.Tensor():
            return str(state.dtype), tuple(state.shape), state.numpy().tobytes()
        case dict():
            return {key: values(value) for key, value in state.items()}
        case list() | tuple():
            return [values(value) for value in state]
        case _:
            return repr(state)


def make_corpus(data_dir, name, *, bpe, joined, source="de", target="en"):
    """A folder that looks prepared, with one pair of two words in train and in valid."""
    preparation = Preparation(source, target, bpe, joined)
    folder = corpus_folder(Path(data_dir), name, preparation)
    folder.mkdir(parents=True)
    counts = {"pairs": 29_000, "source_tokens": 1, "target_tokens": 1}
    record = {
        "format": 1,
        "name": Path(name).name,
        "source": source,
        "target": target,
        "bpe": bpe,
        "joined": joined,
        "splits": {"train": counts, "valid": counts},
        "dictionaries": {},
        "sha256": {},
    }
    (folder / "corpus.json").write_text(json.dumps(record))
    for split in ("train", "valid"):
        for language in (source, target):
            (folder / f"{split}.bpe.{language}").write_text("two words\n")
    return folder


def finish(run, status="finished"):
    write_json(run.path / "done.json", {"status": status, "figures": {}})


def run_paths():
    return sorted(path.parent for path in Path().rglob("config.json"))


def record(path, name):
    return json.loads((path / name).read_text())
