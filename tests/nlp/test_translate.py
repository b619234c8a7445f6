"""`wdbench translate` with weights that are there, and what it says where something is not."""

import hashlib
import importlib.util
import io
import json
import shutil
import sys

import pytest

pytest.importorskip("fairseq", reason="translation needs fairseq: `make nlp`")

import torch

from nlp import weights
from nlp.data.corpus import Corpus, corpus_folder
from nlp.decoding import decode
from nlp.fairseq_model import build_model, build_task
from nlp.plain_text import source_tokens
from nlp.workload import WORKLOAD as NLP
from suite.__main__ import main
from suite.runs.directory import Run, locked
from tests.suite.run_files import make_run, make_translation
from workload.grammar import pairs

SIZES = {"bpe": 60, "joined": True, "width": 16, "feed_forward": 16, "heads": 2, "layers": 1}
SENTENCES = [pair[0] for pair in pairs(6, seed=5)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a prepared corpus in data/ and a run with weights nobody trained in runs/."""
    folder = tmp_path_factory.mktemp("translate")
    (folder / "text").mkdir()
    sentences = pairs(120)
    for name, begin, end in (("train", 0, 100), ("valid", 100, 110), ("test", 110, 120)):
        for side, language in enumerate(("de", "en")):
            text = "".join(f"{pair[side]}\n" for pair in sentences[begin:end])
            (folder / "text" / f"{name}.{language}").write_text(text, encoding="utf-8")
    prepare = ["prepare", str(folder / "text"), "--bpe", "60", "--joined", "--jobs", "1"]
    assert main([*prepare, "--data-dir", str(folder / "data")]) == 0
    recipe = NLP.Recipe(data="text", **SIZES)
    run = Run.of(NLP, recipe, NLP.Member("none", 0.0, 0), folder / "runs")
    with locked([run]):
        corpus = Corpus.open(corpus_folder(folder / "data", "text", 60, True))
        for epoch in (1, 2):
            torch.manual_seed(epoch)
            model = build_model(recipe, build_task(recipe, corpus))
            path = weights.save(run.path, epoch, model, recipe, corpus)
        weights.mark_best(path)
    return folder, run.path


@pytest.fixture
def command(made, capsys, monkeypatch):
    """Run the command with flags and a text on standard input: its lines, or its one sentence."""
    folder, run = made

    def run_command(*flags, text="", run=run, data=folder / "data"):
        content = text if isinstance(text, bytes) else text.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        capsys.readouterr()
        code = main(["translate", str(run), *flags, "--data-dir", str(data), "--device", "cpu"])
        out, err = capsys.readouterr()
        if code == 0:
            assert err == ""
            return out.removesuffix("\n").split("\n") if out else []
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        return err

    return run_command


def test_every_line_has_its_translation_from_a_file_as_from_standard_input(command, tmp_path):
    text = "\n".join(SENTENCES) + "\n"
    (tmp_path / "text.de").write_text(text)
    lines = command(text=text)
    assert len(lines) == len(SENTENCES)
    assert command(str(tmp_path / "text.de")) == lines
    assert command(text=text.removesuffix("\n")) == lines
    assert [command(text=sentence)[0] for sentence in SENTENCES] == lines


def test_it_is_the_text_that_the_steps_one_by_one_give(command, made):
    """sacremoses, subword-nmt and fairseq's dictionary by hand, around the same beam search."""
    from sacremoses import MosesDetokenizer, MosesTokenizer
    from subword_nmt.apply_bpe import BPE

    folder, run = made
    it = weights.load_model(run, folder / "data")
    with it.corpus.codes.open(encoding="utf-8") as codes:
        bpe = BPE(codes)
    dictionary = it.task.source_dictionary
    tokens = [
        dictionary.encode_line(
            bpe.process_line(MosesTokenizer("de").tokenize(sentence, return_str=True).lower()),
            add_if_not_exist=False,
        ).long()
        for sentence in SENTENCES
    ]
    expected = [
        MosesDetokenizer("en").detokenize(
            dictionary.string(hypothesis).replace("@@ ", "").removesuffix("@@").split()
        )
        for hypothesis in decode(it.model, it.task, tokens, beam=5)
    ]
    assert command(text="\n".join(SENTENCES)) == expected


def test_an_empty_line_stays_empty_and_no_text_gives_none(command):
    first, second = SENTENCES[:2]
    one, two = command(text=f"{first}\n{second}")
    assert command(text=f"\n{first}\n  \n{second}\n\n") == ["", one, "", two, ""]
    assert command(text="\n") == [""]
    assert command(text="") == []


def test_lines_end_at_newlines_only(command):
    assert len(command(text="Der Hund\u2028schläft.\x0b\nDie Katze\u0085auch.\r\n")) == 2


def test_beam_and_averaged_weights_are_chosen_by_flags(command):
    text = "\n".join(SENTENCES)
    assert command("--beam", "1", text=text) != command("--averaged", text=text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"Ein Hund.\nEin B\xe4r.\n", "standard input: line 2 is not UTF-8 at byte 6"),
        ("Gut.\n" + "ja " * 1_100, "line 2 has"),
    ],
)
def test_a_line_that_will_not_do_is_named(command, text, said):
    assert said in command(text=text)


def test_the_longest_line_that_the_model_takes_is_translated(command, made):
    folder, run = made
    words = weights.load_model(run, folder / "data")
    for count in range(400, 1_024):
        text = "x " * count
        if len(source_tokens(words, [text])[0]) >= 1_023:
            break
    assert len(command("--beam", "1", text=text)) == 1
    assert "the model takes 1,024" in command(text=text + "x x x")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--beam", "0"], "--beam: 0"),
        (["nothing.txt"], "nothing.txt cannot be read: No such file"),
        (["--averagd"], "unrecognized arguments: --averagd"),
    ],
)
def test_flags_that_will_not_do(command, flags, said):
    assert said in command(*flags)


def test_a_run_without_weights_an_rl_run_and_no_run(command, tmp_path):
    fresh = make_translation(tmp_path, data="text", **SIZES)
    assert "has no trained weights yet" in command(run=fresh.path)
    assert "has no trained weights yet" in command("--averaged", run=fresh.path)
    assert "is no nlp run" in command(run=make_run(tmp_path).path)
    assert "is no run directory" in command(run=tmp_path / "nowhere")


def test_damaged_weights_another_dictionary_and_no_corpus(command, made, tmp_path):
    folder, run = made
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    best = copy / "weights" / "best.pt"
    best.write_bytes(best.read_bytes()[:-100])
    assert "is damaged" in command(run=copy)
    data = tmp_path / "data"
    shutil.copytree(folder / "data", data)
    corpus = corpus_folder(data, "text", 60, True)
    dictionary = corpus / "dict.de.txt"
    dictionary.write_text(dictionary.read_text().replace(" ", "x ", 1))
    assert "is not what was prepared" in command(data=data)
    record = json.loads((corpus / "corpus.json").read_text())
    record["sha256"]["dict.de.txt"] = hashlib.sha256(dictionary.read_bytes()).hexdigest()
    (corpus / "corpus.json").write_text(json.dumps(record))
    assert "is not the dictionary that" in command(data=data)
    assert "is not prepared" in command(data=tmp_path / "empty")


def test_without_fairseq_it_says_what_to_install(command, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "fairseq" else find(name)
    )
    assert "translation needs fairseq, not found here; `make nlp`" in command(text="Gut.")
