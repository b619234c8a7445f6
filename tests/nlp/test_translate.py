"""`wdbench translate` with weights that are there, and what it says where something is not."""

import hashlib
import importlib.util
import io
import json
import os
import select
import shutil
import sys
import threading
import unicodedata

import pytest

pytest.importorskip("fairseq", reason="translation needs fairseq: `make nlp`")

from nlp import weights
from nlp.decoding import decode, search
from nlp.plain_text import source_tokens
from suite.__main__ import main
from tests.nlp.runs import SIZES
from tests.suite.run_files import make_run, make_translation
from workload.grammar import pairs

SENTENCES = [pair[0] for pair in pairs(6, seed=5)]


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


@pytest.mark.slow
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


def test_text_that_looks_equal_is_translated_alike(command):
    """Decomposed letters, soft hyphens, zero-width spaces and marks of direction change nothing."""
    text = "Die M\u00e4nner gr\u00fc\u00dfen den H\u00e4ndler."
    (expected,) = command(text=text)
    decomposed = unicodedata.normalize("NFD", text)
    assert decomposed != text
    hidden = "\u200b\ufeff" + "\u00ad".join(text) + "\u200e"
    assert command(text=f"{decomposed}\n{hidden}") == [expected, expected]
    assert command(text="\u200b\u200b\u00ad\ufeff") == [""]


def test_what_the_model_does_not_know_is_counted_on_stderr(made, command, capsys):
    folder, run = made
    it = weights.load_model(run, folder / "data")
    unknown = it.task.source_dictionary.unk()
    text = f"{SENTENCES[0]} \u5316\u5b66"
    (tokens,) = source_tokens(it, [text])
    assert int(tokens.eq(unknown).sum()) == 2
    command(text="")
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
    options = ["--data-dir", str(folder / "data"), "--device", "cpu"]
    assert main(["translate", str(run), *options]) == 0
    said = f"2 of {len(tokens) - 1} subwords are unknown to the model"
    assert said in capsys.readouterr().err


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
        (b"Ein Hund.\nEin B\xe4r.\n", "standard input line 2 is not UTF-8 (byte 0xe4)"),
        ("Ein Hund.\rEin Vogel.\r", "standard input: its lines end in carriage returns"),
    ],
)
def test_text_that_will_not_do_is_told_before_the_model_is_loaded(command, text, said, monkeypatch):
    monkeypatch.setattr(weights, "load_model", None)
    assert said in command(text=text)


def test_options_may_stand_between_run_and_file(made, tmp_path, capsys):
    folder, run = made
    (tmp_path / "text.de").write_text(SENTENCES[0])
    options = ["--data-dir", str(folder / "data"), "--device", "cpu"]
    orders = [
        ["--beam", "2", run, tmp_path / "text.de"],
        [run, "--beam", "2", tmp_path / "text.de"],
        [run, tmp_path / "text.de", "--beam", "2"],
    ]
    capsys.readouterr()
    for order in orders:
        assert main(["translate", *map(str, order), *options]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == second == third


def test_a_line_that_is_too_long_is_named_and_the_others_are_translated(made, command, capsys):
    folder, run = made
    one, two = command(text=f"{SENTENCES[0]}\n{SENTENCES[1]}")
    text = f"{SENTENCES[0]}\n{'ja ' * 1_100}\n{SENTENCES[1]}\n"
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
    options = ["--data-dir", str(folder / "data"), "--device", "cpu"]
    assert main(["translate", str(run), *options]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines() == [one, "", two]
    assert "line 2 has" in err
    assert "it is not translated" in err


def test_translations_are_utf8_whatever_the_locale(made, command, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr("nlp.plain_text.to_text", lambda *_: "\u732b")
    folder, run = made
    command(text="")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SENTENCES[0].encode())))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))
    options = ["--data-dir", str(folder / "data"), "--device", "cpu"]
    assert main(["translate", str(run), *options]) == 0
    assert written.getvalue().decode() == "\u732b\n"


@pytest.mark.slow
def test_the_longest_line_that_the_model_takes_is_translated(command, made):
    folder, run = made
    words = weights.load_model(run, folder / "data")
    word = SENTENCES[0].split()[0]
    once, twice = source_tokens(words, [word, f"{word} {word}"])
    each = len(twice) - len(once)
    text = f"{word} " * (1_023 // each)
    assert len(source_tokens(words, [text])[0]) in range(1_025 - each, 1_025)
    (line,) = command("--beam", "1", text=text)
    assert line


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--beam", "0"], "--beam: 0"),
        (["--max-length", "0"], "--max-length: 0 is not 1 or more"),
        (["--no-repeat-ngram", "1"], "--no-repeat-ngram: 1 is not 2 or more"),
        (["--interactive", "nothing.txt"], "--interactive reads standard input, not nothing.txt"),
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
    _, run = made
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    best = copy / "weights" / "best.pt"
    whole = best.read_bytes()
    best.write_bytes(whole[:-100])
    assert "is damaged" in command(run=copy)
    best.write_bytes(whole)
    dictionary = copy / "weights" / "dict.de.txt"
    dictionary.write_text(dictionary.read_text().replace(" ", "x ", 1))
    assert "is not what was prepared" in command(run=copy, data=tmp_path)
    record = json.loads((copy / "weights" / "corpus.json").read_text())
    record["sha256"]["dict.de.txt"] = hashlib.sha256(dictionary.read_bytes()).hexdigest()
    (copy / "weights" / "corpus.json").write_text(json.dumps(record))
    assert "is not the dictionary that" in command(run=copy)


def test_a_run_translates_wherever_it_lies_without_the_corpus(command, made, tmp_path):
    _, run = made
    text = "\n".join(SENTENCES)
    shutil.copytree(run, tmp_path / "elsewhere")
    expected = command(text=text)
    assert command(text=text, run=tmp_path / "elsewhere", data=tmp_path / "no") == expected


def test_a_run_of_an_earlier_version_takes_the_prepared_corpus(command, made, tmp_path):
    _, run = made
    shutil.copytree(run, tmp_path / "run")
    for name in ("corpus.json", "codes", "dict.de.txt", "dict.en.txt"):
        (tmp_path / "run" / "weights" / name).unlink()
    text = "\n".join(SENTENCES)
    assert command(text=text, run=tmp_path / "run") == command(text=text)
    assert "is not prepared" in command(run=tmp_path / "run", data=tmp_path / "empty")


def test_n_best_and_scores_are_those_of_the_search(command, made):
    folder, run = made
    it = weights.load_model(run, folder / "data")
    found = search(it.model, it.task, source_tokens(it, SENTENCES), beam=4, length_penalty=0.5)
    flags = ["--beam", "4", "--length-penalty", "0.5"]
    lines = command(*flags, "--n-best", "3", "--scores", text="\n".join(SENTENCES))
    scores = [float(line.split("\t")[0]) for line in lines]
    expected = [each.score for hypotheses in found for each in hypotheses[:3]]
    assert scores == pytest.approx(expected, abs=1e-4)
    best = [line.split("\t")[1] for line in lines[::3]]
    assert best == command(*flags, text="\n".join(SENTENCES))
    assert command("--n-best", "2", text="\n") == ["", ""]
    assert "--n-best: 6 is above the beam, 5" in command("--n-best", "6", text="x")


def test_lines_are_as_long_as_is_asked_for(command, made):
    folder, run = made
    it = weights.load_model(run, folder / "data")
    for line in command("--max-length", "4", text="\n".join(SENTENCES)):
        assert len(it.task.target_dictionary.encode_line(line).tolist()) - 1 <= 4


@pytest.mark.slow
def test_interactive_answers_before_the_next_line_is_written(made, monkeypatch):
    """Through pipes, which pass on what has been flushed alone."""
    _, run = made
    (their_in, question), (answer, their_out) = os.pipe(), os.pipe()
    answers = []

    def ask():
        with open(question, "wb", buffering=0) as asked, open(answer, encoding="utf-8") as heard:
            for sentence in SENTENCES[:2]:
                asked.write(f"{sentence}\n".encode())
                ready, _, _ = select.select([answer], [], [], 60)
                if not ready:
                    return
                answers.append(heard.readline())

    thread = threading.Thread(target=ask)
    thread.start()
    with open(their_in, encoding="utf-8") as typed, open(their_out, "w", encoding="utf-8") as said:
        monkeypatch.setattr(sys, "stdin", typed)
        monkeypatch.setattr(sys, "stdout", said)
        code = main(["translate", str(run), "--interactive", "--device", "cpu"])
        monkeypatch.undo()
    thread.join()
    assert code == 0
    assert len(answers) == 2
    assert all(answer.strip() for answer in answers)


def test_a_typed_line_that_is_not_utf8_is_named_behind_the_answers_before_it(
    made, monkeypatch, capsys
):
    _, run = made
    text = f"{SENTENCES[0]}\n".encode() + b"B\xe4r\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    capsys.readouterr()
    assert main(["translate", str(run), "--interactive", "--device", "cpu"]) == 2
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert "standard input line 2 is not UTF-8 (byte 0xe4)" in err


def test_without_fairseq_it_says_what_to_install(command, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "fairseq" else find(name)
    )
    assert "translation needs fairseq, not found here; `make nlp`" in command(text="Gut.")
