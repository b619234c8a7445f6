"""Text to tokens and back: nothing is lost, nothing half made stays."""

import gzip
import json
import lzma

import numpy as np
import pytest

from lm.data.prepare import prepare
from lm.data.source import grammar_text, read_text, split
from lm.data.spec import TextSpec, text_name
from suite.__main__ import main
from tests.lm.runs import words
from workload.errors import ConfigError

TEXT = "Größe: ein Übel — 日本\n" * 400


def parts(prepared):
    return [np.fromfile(prepared.folder / f"{part}.bin", np.uint16) for part in ("train", "val")]


def decoded(prepared, tokens):
    if tokens == "characters":
        letters = json.loads((prepared.folder / "text.json").read_text("utf-8"))["characters"]
        return ["".join(letters[n] for n in part) for part in parts(prepared)]
    if tokens == "bytes":
        return [part.astype(np.uint8).tobytes().decode() for part in parts(prepared)]
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_file(str(prepared.folder / "tokenizer.json"))
    return [tokenizer.decode(part.tolist()) for part in parts(prepared)]


@pytest.mark.parametrize("tokens", ["characters", "bytes", "bpe"])
def test_tokens_are_the_text(tmp_path, tokens):
    if tokens == "bpe":
        pytest.importorskip("tokenizers")
    file = tmp_path / "own.txt"
    file.write_text(TEXT, "utf-8")
    size = 300 if tokens == "bpe" else 0
    found = prepare(str(file), tmp_path / "data", tokens=tokens, vocabulary=size)
    train, val = split(TEXT)
    assert decoded(found, tokens) == ["".join(train), "".join(val)]
    assert (found.train, found.val) == tuple(map(len, parts(found)))
    if tokens == "bpe":  # the few words have fewer pairs of symbols than were asked for
        assert 256 < found.vocabulary <= 300
    else:
        assert found.vocabulary == {"characters": len(set(TEXT)), "bytes": 256}[tokens]
    assert max(part.max() for part in parts(found)) < found.vocabulary


def test_subwords_are_learned_on_the_training_text_alone(tmp_path):
    """A word that validation alone has is never one token."""
    tokenizers = pytest.importorskip("tokenizers")
    text = words(4_000)
    ends = [n * len(text) // 200 for n in range(201)]
    held_out = text[: ends[10]] + ("xyzzy " * 100)[: ends[11] - ends[10]] + text[ends[11] :]
    (tmp_path / "own.txt").write_text(held_out)
    found = prepare(str(tmp_path / "own.txt"), tmp_path / "data", tokens="bpe", vocabulary=400)
    tokenizer = tokenizers.Tokenizer.from_file(str(found.folder / "tokenizer.json"))
    assert len(tokenizer.encode("xyzzy").ids) == 5
    assert len(tokenizer.encode(" gogo").ids) == 1


def test_validation_is_a_twentieth_in_ten_places():
    text = "".join(chr(ord("a") + n // 1_000) for n in range(20_000))
    train, val = split(text)
    assert sum(map(len, val)) == 1_000
    assert sorted("".join(train + val)) == sorted(text)
    assert [block[0] for block in val] == list("bdfhjlnprt")


def test_files_are_unpacked_and_folders_read_in_order(tmp_path):
    folder = tmp_path / "own"
    (folder / "more").mkdir(parents=True)
    content = [words(2_000, seed) for seed in range(3)]
    (folder / "a.txt.gz").write_bytes(gzip.compress(content[0].encode()))
    (folder / "b.txt.xz").write_bytes(lzma.compress(content[1].encode()))
    (folder / "more" / "c.txt").write_text(content[2])
    (folder / "notes.md").write_text("not text")
    found = prepare(str(folder), tmp_path / "data")
    together = "\n".join(content)
    assert decoded(found, "characters")[0] == "".join(split(together)[0])


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("texts/novels.txt.xz", "novels"),
        ("novels.txt", "novels"),
        ("novels", "novels"),
        ("/a/b/", "b"),
        ("notes.md", "notes.md"),
    ],
)
def test_names(data, name):
    assert text_name(data) == name


def test_a_finished_text_is_not_made_again_and_a_changed_one_is(tmp_path):
    file = tmp_path / "own.txt"
    file.write_text(words(2_000))
    first = prepare(str(file), tmp_path / "data")
    before = (first.folder / "train.bin").stat().st_mtime_ns
    assert prepare(str(file), tmp_path / "data") == first
    assert (first.folder / "train.bin").stat().st_mtime_ns == before
    file.write_text(words(2_500))
    assert prepare(str(file), tmp_path / "data").train > first.train


@pytest.mark.slow
def test_the_grammars_text_is_its_english_sentences():
    from workload.grammar import pairs

    lines = grammar_text().splitlines()
    assert lines[:500] == [english for _, english in pairs(500)]
    assert len(lines) == 30_000


def test_what_cannot_be_prepared(tmp_path):
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"abc\xff")
    short = tmp_path / "short.txt"
    short.write_text("abc")
    packed = tmp_path / "torn.txt.xz"
    packed.write_bytes(lzma.compress(b"abc" * 1_000)[:20])
    other = tmp_path / "grammar.txt"
    other.write_text(words(2_000))
    for data, message in (
        (tmp_path / "absent.txt", "is no file, and no folder with"),
        (bad, "byte 3 is no UTF-8"),
        (short, "3 characters cannot be cut into the 200 blocks"),
        ("", "'' names no text"),
        (packed, "cannot be read"),
        (other, "'grammar' cannot name your own text"),
    ):
        with pytest.raises(ConfigError, match=message):
            prepare(str(data), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_vocabulary_that_cannot_be_is_refused_before_the_text_is_read(tmp_path):
    unread = tmp_path / "own.txt"
    unread.write_bytes(b"\xff")
    for tokens, vocabulary, message in (
        ("bpe", 256, "vocabulary: 256 is not from 257 to"),
        ("bpe", 2**16 + 1, "vocabulary: 65,537 is not from 257 to"),
        ("bytes", 300, "vocabulary: bytes have that of the text"),
        ("characters", 96, "vocabulary: characters have that of the text"),
    ):
        with pytest.raises(ConfigError, match=message):
            prepare(str(unread), tmp_path / "data", tokens=tokens, vocabulary=vocabulary)


def test_a_mark_of_byte_order_is_no_character(tmp_path):
    (tmp_path / "own.txt").write_text(words(100), "utf-8-sig")
    assert read_text(tmp_path / "own.txt") == words(100)


def test_a_file_that_has_changed_since_is_told(tmp_path):
    (tmp_path / "own.txt").write_text(words(2_000))
    found = prepare(str(tmp_path / "own.txt"), tmp_path / "data")
    with (found.folder / "train.bin").open("ab") as file:
        file.write(b"12")
    with pytest.raises(ConfigError, match="is not what was prepared"):
        type(found).open(TextSpec.of("own", "characters", 0), tmp_path / "data")


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.txt").write_text(words(2_000))
    assert main(["prepare", "text", "own.txt", "--tokens", "bytes"]) == 0
    assert "ready in data/own/text-bytes" in capsys.readouterr().out
    assert main(["prepare", "text", "absent"]) == 2
    assert read_text(tmp_path / "own.txt") == words(2_000)
