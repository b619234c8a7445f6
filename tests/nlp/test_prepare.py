"""Preparation of anyone's text: what comes out, and one sentence for each mistake going in."""

import dataclasses
import errno
import gzip
import hashlib
import http.server
import io
import json
import os
import random
import re
import shutil
import tarfile
import threading
import unicodedata

import pytest

import nlp.packages
from nlp.data import prepare as preparing
from nlp.data import sources
from nlp.data.corpus import Corpus
from nlp.data.prepare import prepare
from nlp.data.spec import Preparation
from suite.__main__ import main
from workload.errors import ConfigError
from workload.stages import lock_folder

pytestmark = pytest.mark.slow

pytest.importorskip("fairseq", reason="preparation needs fairseq")

GERMAN = ["Der Hund bellt.", "Die Katze, die schl\u00e4ft.", "Es regnet heute.", "Wir gehen heim!"]
FRENCH = ["Le chien aboie.", "Le chat qui dort.", "Il pleut aujourd'hui.", "Allons chez nous !"]
ENGLISH = ["The dog barks.", "The cat that sleeps.", "It is raining today.", "We're going home!"]


def write(folder, split, german, english):
    folder.mkdir(exist_ok=True)
    for language, text in (("de", german), ("en", english)):
        content = "".join(f"{line}\n" for line in text)
        (folder / f"{split}.{language}").write_bytes(content.encode())


@pytest.fixture
def text(tmp_path):
    """A folder of parallel text."""
    folder = tmp_path / "mine"
    for split in ("train", "valid", "test"):
        write(folder, split, GERMAN, ENGLISH)
    return folder


def make(text, tmp_path, **changes):
    options = {"bpe": 10, "jobs": 1} | changes
    keys = [field.name for field in dataclasses.fields(Preparation) if field.name in options]
    preparation = Preparation(**{key: options.pop(key) for key in keys})
    return prepare(str(text), tmp_path / "data", preparation, **options)


def refused(text, tmp_path, **changes):
    """The one sentence, after which nothing is on disk."""
    with pytest.raises(ConfigError) as caught:
        make(text, tmp_path, **changes)
    assert not (tmp_path / "data").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_of_a_corpus(text, tmp_path):
    corpus = make(text, tmp_path, bpe=5)
    assert corpus.folder == tmp_path / "data" / "mine" / "bpe-5"
    assert corpus.text("test", "raw", "en") == ENGLISH
    assert corpus.text("test", "tok", "en")[3] == "we &apos;re going home !"
    assert corpus.text("test", "tok", "de")[1] == "die katze , die schl\u00e4ft ."
    joined = [line.replace("@@ ", "") for line in corpus.text("train", "bpe", "de")]
    assert joined == corpus.text("test", "tok", "de")
    assert len(corpus.codes.read_text().splitlines()) == 6  # a version, five operations
    assert Corpus.open(corpus.folder) == corpus


def test_binary_files_are_what_fairseq_reads_back(text, tmp_path):
    from fairseq.data import Dictionary
    from fairseq.data.indexed_dataset import MMapIndexedDataset

    corpus = make(text, tmp_path)
    dictionary = Dictionary.load(str(corpus.dictionary("de")))
    assert len(dictionary) % 8 == 0
    written = MMapIndexedDataset(str(corpus.folder / "test.de-en.de"))
    lines = corpus.text("test", "bpe", "de")
    assert [dictionary.string(sentence) for sentence in written] == lines
    assert sum(len(s) for s in written) == corpus.splits["test"]["source_tokens"]


def test_dictionary_is_that_of_fairseq_preprocess(text, tmp_path):
    from fairseq.data import Dictionary

    corpus = make(text, tmp_path, joined=True)
    theirs = Dictionary()
    for language in ("de", "en"):
        path = str(corpus.folder / f"train.bpe.{language}")
        Dictionary.add_file_to_dictionary(path, theirs, lambda line: line.split(), 1)
    theirs.finalize(threshold=0, nwords=-1, padding_factor=8)
    theirs.save(str(tmp_path / "dict.txt"))
    assert corpus.dictionary("en").read_text() == (tmp_path / "dict.txt").read_text()


def test_several_processes_give_the_same_bytes(text, tmp_path):
    one = make(text, tmp_path)
    two = make(text, tmp_path / "second", jobs=2)
    for path in sorted(one.folder.iterdir()):
        if path.name != "stage.json":
            assert path.read_bytes() == (two.folder / path.name).read_bytes(), path.name


def test_training_pairs_are_dropped_for_a_reason(text, tmp_path):
    long = " ".join(["ja"] * 176)
    german = [*GERMAN, "", "Ja", long]
    english = [*ENGLISH, "No.", "one two", long]
    write(text, "train", german, english)
    corpus = make(text, tmp_path)
    report = json.loads((corpus.folder / "report.json").read_text())
    assert report["dropped"] == {"empty": 1, "length ratio over 1.5": 1, "over 175 tokens": 1}
    assert report["first dropped lines"]["empty"] == [5]
    assert corpus.splits["train"]["pairs"] == 4


def test_what_was_dropped_is_said_with_its_share(text, tmp_path, capsys):
    write(text, "train", [*GERMAN, "", "Ja"], [*ENGLISH, "No.", "one two"])
    write(text, "test", ["Gut so."], ["Just so."])
    argv = ["prepare", str(text), "--bpe", "10", "--data-dir", str(tmp_path / "d"), "--jobs", "1"]
    assert main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "dropped from train: 2 of 6 pairs (33.33%)" in lines
    assert "  1 empty (line 5)" in lines
    assert "  1 length ratio over 1.5 (line 6)" in lines
    assert "in train as well: 4 of the 4 valid pairs" in lines
    assert not any("test pairs" in line for line in lines)


def test_text_of_anybody_is_normalised(text, tmp_path):
    plain = make(text, tmp_path / "plain")
    for path in text.iterdir():
        lines = path.read_text().splitlines()
        spoilt = [unicodedata.normalize("NFD", "\u00ad".join(line)) for line in lines]
        path.write_text("".join(f"\u200b{line}\n" for line in spoilt))
    corpus = make(text, tmp_path)
    for kind in ("raw", "tok", "bpe"):
        assert corpus.text("test", kind, "de") == plain.text("test", kind, "de")
    write(text, "test", GERMAN, [*ENGLISH[:2], "\u200b\u200b", ENGLISH[3]])
    with pytest.raises(ConfigError, match=r"test\.en line 3 \(en\) is empty|test.en line 3"):
        make(text, tmp_path)


def test_a_text_with_carriage_returns_alone(text, tmp_path):
    (text / "train.de").write_bytes("".join(f"{line}\r" for line in GERMAN).encode())
    message = refused(text, tmp_path)
    assert "train.de: its lines end in carriage returns" in message
    (text / "train.de").write_bytes("".join(f"{line}\r\n" for line in GERMAN).encode())
    assert make(text, tmp_path).splits["train"]["pairs"] == 4


def test_a_full_disk_is_told_with_its_place(text, tmp_path, capsys, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(preparing, "make_corpus", full)
    place = tmp_path / "d"
    assert main(["prepare", str(text), "--data-dir", str(place), "--jobs", "1"]) == 2
    assert f"no space is left on the disk of {place}" in capsys.readouterr().err


def test_lines_end_at_line_feeds_only(text, tmp_path):
    """Python's splitlines would see five line ends in this line."""
    write(text, "test", ["Ja\u2028ja\u0085ja\x1cja\x0bja\x0cja"], ["Yes yes yes yes yes yes"])
    corpus = make(text, tmp_path)
    assert corpus.splits["test"]["pairs"] == 1
    assert corpus.text("test", "tok", "de") == ["ja ja ja ja ja ja"]


def test_changed_text_is_prepared_anew(text, tmp_path):
    make(text, tmp_path)
    write(text, "test", GERMAN[:2], ENGLISH[:2])
    assert make(text, tmp_path).splits["test"]["pairs"] == 2


def test_another_folder_of_the_same_name_replaces_nothing(text, tmp_path):
    corpus = make(text, tmp_path)
    other = tmp_path / "other" / "mine"
    shutil.copytree(text, other)
    assert make(other, tmp_path) == corpus  # the same text
    write(other, "test", GERMAN[:2], ENGLISH[:2])
    with pytest.raises(ConfigError, match=r"was prepared from .*/mine, which is other text"):
        make(other, tmp_path)
    assert make(text, tmp_path) == corpus
    shutil.rmtree(text)  # as if it had been moved and edited
    assert make(other, tmp_path).splits["test"]["pairs"] == 2


def test_a_corpus_knows_the_text_it_was_made_from(text, tmp_path):
    corpus = make(text, tmp_path)
    corpus.check_text(text)
    corpus.check_text(tmp_path)  # no folder of text: a name
    write(text, "train", ENGLISH, GERMAN)
    with pytest.raises(ConfigError, match="was prepared from other text than is in") as raised:
        corpus.check_text(text)
    assert f"prepare {text} --bpe 10 --data-dir {tmp_path / 'data'}`" in str(raised.value)
    make(text, tmp_path, bpe=12).check_text(text)
    with pytest.raises(ConfigError, match="was prepared from other text than is in"):
        corpus.check_text(text)
    make(text, tmp_path).check_text(text)


def test_the_reverse_direction_and_another_pair_lie_beside_the_first(text, tmp_path):
    """Of one folder three corpora, each with its own codes, dictionaries and direction."""
    for split in ("train", "valid", "test"):
        french = "".join(f"{line}\n" for line in FRENCH)
        (text / f"{split}.fr").write_text(french)
    forth = make(text, tmp_path)
    kept = {path: path.read_bytes() for path in forth.folder.iterdir()}
    back = make(text, tmp_path, source="en", target="de")
    french = make(text, tmp_path, source="fr", target="en")
    assert {path: path.read_bytes() for path in forth.folder.iterdir()} == kept
    assert Corpus.open(forth.folder) == forth == make(text, tmp_path)
    assert [c.folder.name for c in (forth, back, french)] == [
        "bpe-10",
        "bpe-10-en-de",
        "bpe-10-fr-en",
    ]
    record = json.loads((back.folder / "corpus.json").read_text())
    assert (record["source"], record["target"]) == ("en", "de")
    assert (back.folder / "test.en-de.en.bin").exists()
    assert back.text("test", "tok", "de") == forth.text("test", "tok", "de")
    assert french.codes.read_bytes() != forth.codes.read_bytes()
    for corpus in (forth, back, french):
        corpus.check_text(text)


def test_a_published_corpus_translates_in_both_directions(multi30k, tmp_path):
    archive = packed(tmp_path / "a.tgz", multi30k)
    corpus = make("multi30k", tmp_path, archive=archive, source="en", target="de")
    assert corpus.preparation.pair == ("en", "de")
    assert corpus.text("test", "raw", "de") == GERMAN
    assert corpus.text("test", "raw", "en") == ENGLISH


def test_presets_names_are_told_apart_from_texts(text, tmp_path, capsys):
    folder = text.rename(tmp_path / "grammar-tiny")
    argv = ["--data-dir", str(tmp_path / "data")]
    assert main(["prepare", str(folder), *argv]) == 2
    assert "grammar-tiny is the name of a preset; rename the folder" in capsys.readouterr().err
    assert main(["prepare", "multi30k-small", *argv]) == 2
    said = "multi30k-small is a preset, which trains on multi30k: `wdbench prepare multi30k "
    assert f"{said}--bpe 5000 --joined`" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_interruption_leaves_the_finished_stages_only(text, tmp_path, monkeypatch):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(preparing, "learn", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make(text, tmp_path)
    assert [path.name for path in (tmp_path / "data" / "mine").iterdir()] == ["text"]
    seen = set()
    make(text, tmp_path, progress=lambda stage, *_: seen.add(stage))
    assert seen == {"learn BPE", "split into subwords", "binarise"}


def test_a_folder_of_the_users_own_is_not_replaced(text, tmp_path):
    """With the text's parent as --data-dir, stages and the user's folders are neighbours."""
    (text / "text").mkdir()
    (text / "text" / "notes").write_text("mine")
    with pytest.raises(ConfigError, match=r"mine/text is in the way"):
        prepare(str(text), tmp_path, Preparation(bpe=10), jobs=1)
    assert (text / "text" / "notes").read_text() == "mine"
    assert {path.name for path in text.iterdir()} == {
        "text",
        *(f"{split}.{lang}" for split in ("train", "valid", "test") for lang in ("de", "en")),
    }


def test_without_a_package_the_command_says_what_to_install(text, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(nlp.packages, "EXTRA", ("no_such_package",))
    assert main(["prepare", str(text), "--data-dir", str(tmp_path / "data")]) == 2
    error = capsys.readouterr().err
    assert "translation needs no_such_package, not found here; `make nlp`" in error
    assert not (tmp_path / "data").exists()


def test_command_prints_counts_and_reasons(text, tmp_path, capsys):
    argv = ["prepare", str(text), "--bpe", "10", "--data-dir", str(tmp_path / "d"), "--jobs", "1"]
    assert main(argv) == 0
    printed = capsys.readouterr().out
    assert "dropped from train: nothing" in printed
    assert "in train as well: 4 of the 4 test pairs" in printed
    assert "8 merge operations: no pair of symbols is left that occurs twice" in printed
    assert re.search(r"test +4 ", printed)
    assert main(["prepare", str(tmp_path / "no")]) == 2
    error = capsys.readouterr().err
    assert "is none of" in error
    assert "iwslt14, multi30k, grammar" in error


def test_unequal_line_counts(text, tmp_path):
    write(text, "valid", GERMAN, ENGLISH[:3])
    message = refused(text, tmp_path)
    assert "valid.de has 4 sentences and valid.en has 3" in message


def test_line_that_is_not_utf8(text, tmp_path):
    (text / "train.de").write_bytes("ja\nschön\n".encode() + b"sch\xf6n\nja\n")
    assert re.search(r"train\.de line 3 is not UTF-8 \(byte 0xf6\)", refused(text, tmp_path))


@pytest.mark.parametrize("blank", ["", "  ", "\u00a0", "\x01"])
def test_empty_line_in_the_test_set(text, tmp_path, blank):
    write(text, "test", GERMAN, [*ENGLISH[:2], blank, ENGLISH[3]])
    assert "test.en line 3" in refused(text, tmp_path)


def test_empty_sets(text, tmp_path):
    write(text, "test", [], [])
    assert "the test set is empty" in refused(text, tmp_path)
    write(text, "test", GERMAN, ENGLISH)
    write(text, "train", ["", "Ja"], ["Yes", ""])
    assert "the train set is empty: every pair was dropped" in refused(text, tmp_path)


def test_over_long_line_in_the_test_set(text, tmp_path):
    write(text, "test", [*GERMAN[:1], "qx" * 2000], ENGLISH[:2])
    with pytest.raises(ConfigError, match=r"line 2 of the test set has over 1,022 subwords"):
        make(text, tmp_path)
    assert not (tmp_path / "data" / "mine" / "bpe-10").exists()


def test_settings_that_cannot_be(text, tmp_path):
    (text / "train.xx").touch()
    assert "choose --tokenisation sentencepiece" in refused(text, tmp_path, source="xx")
    assert "must differ" in refused(text, tmp_path, source="en")
    assert "train.fr does not exist" in refused(text, tmp_path, source="fr")
    assert "bpe: 0" in refused(text, tmp_path, bpe=0)
    assert "has the languages de and en" in refused("multi30k", tmp_path, source="fr")
    assert "archive" in refused("grammar", tmp_path, archive=text)
    write(text, "train", ["a"], ["b"])
    with pytest.raises(ConfigError, match=r"two letters|too small"):
        make(text, tmp_path)


# --- archives of a published corpus -------------------------------------------------------------


@pytest.fixture
def multi30k(monkeypatch):
    """Multi30k's layout with our four sentences; name -> content."""
    sides = {"de": "".join(f"{x}\n" for x in GERMAN), "en": "".join(f"{x}\n" for x in ENGLISH)}
    files = {
        f"{name}.{language}": sides[language].encode()
        for name in ("train", "val", "test_2016_flickr")
        for language in ("de", "en")
    }
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    published = sources.PUBLISHED["multi30k"]
    changed = sources.PublishedCorpus(published.urls, published.files, digests, published.read)
    monkeypatch.setitem(sources.PUBLISHED, "multi30k", changed)
    return files


def packed(path, files, *members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"folder/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in members:
            tar.addfile(member)
    return path


def member(name, kind=tarfile.REGTYPE):
    result = tarfile.TarInfo(name)
    result.type, result.linkname = kind, "train.de"
    return result


def test_archive_and_folder_give_the_same(multi30k, tmp_path):
    archive = packed(tmp_path / "a.tgz", multi30k)
    folder = tmp_path / "files"
    folder.mkdir()
    for name, content in multi30k.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    one = make("multi30k", tmp_path, archive=archive)
    two = make("multi30k", tmp_path / "second", archive=folder)
    assert one.splits == two.splits
    assert one.text("valid", "raw", "de") == GERMAN


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (member("../outside"), "'../outside' leads outside the target folder"),
        (member("/etc/outside"), "'/etc/outside' leads outside"),
        (member("folder/x", tarfile.SYMTYPE), "is a link or a device"),
        (member("folder/x", tarfile.LNKTYPE), "is a link or a device"),
        (member("folder/x", tarfile.CHRTYPE), "is a link or a device"),
        (member("other/train.de"), "has train.de more than once"),
    ],
)
def test_archive_with_what_does_not_belong(multi30k, tmp_path, entry, message):
    archive = packed(tmp_path / "a.tgz", multi30k, entry)
    assert message in refused("multi30k", tmp_path, archive=archive)


def test_archives_that_are_not_the_published_one(multi30k, tmp_path):
    content = multi30k.pop("val.en")
    archive = packed(tmp_path / "a.tgz", multi30k)
    assert "has no val.en" in refused("multi30k", tmp_path, archive=archive)
    archive = packed(tmp_path / "b.tgz", multi30k | {"val.en": content + b"x"})
    assert "val.en is not the published one" in refused("multi30k", tmp_path, archive=archive)
    cut, big = tmp_path / "cut.tgz", {"README": random.Random(0).randbytes(10_000)}
    whole = packed(tmp_path / "c.tgz", big | multi30k | {"val.en": content}).read_bytes()
    cut.write_bytes(whole[:5000])
    assert "cannot be read as an archive" in refused("multi30k", tmp_path, archive=cut)
    assert "does not exist" in refused("multi30k", tmp_path, archive=tmp_path / "no.tgz")
    for content in (b"", b"PK, and no tar"):
        cut.write_bytes(content)
        assert "cannot be read as an archive" in refused("multi30k", tmp_path, archive=cut)


# --- downloads ----------------------------------------------------------------------------------


@pytest.fixture
def publisher(multi30k, monkeypatch, tmp_path):
    """A server with the files of `multi30k`, gzipped; the dictionary of what it serves."""
    served = {f"/{name}.gz": gzip.compress(content) for name, content in multi30k.items()}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path not in served:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(served[self.path])))
            self.end_headers()
            self.wfile.write(served[self.path])

        def log_message(self, *_arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        published = sources.PUBLISHED["multi30k"]
        urls = tuple(f"http://127.0.0.1:{server.server_address[1]}{path}" for path in served)
        changed = dataclasses.replace(published, urls=urls)
        monkeypatch.setitem(sources.PUBLISHED, "multi30k", changed)
        yield served
        server.shutdown()


def test_published_corpus_is_downloaded_once(publisher, tmp_path):
    corpus = make("multi30k", tmp_path)
    assert corpus.text("test", "raw", "en") == ENGLISH
    publisher.clear()
    assert make("multi30k", tmp_path, bpe=5).splits["test"]["pairs"] == 4
    assert not (tmp_path / "data" / "multi30k" / "download").exists()


def test_download_with_a_wrong_checksum_is_kept_and_named(publisher, tmp_path):
    right = publisher["/val.de.gz"]
    publisher["/val.de.gz"] = gzip.compress(b"other\n" * 4)
    with pytest.raises(ConfigError, match=r"/val\.de\.gz: wrong sha256.*--archive FILE"):
        make("multi30k", tmp_path)
    root = tmp_path / "data" / "multi30k"
    kept = root / "download" / "val.de.gz.partial"
    assert kept.read_bytes() == publisher["/val.de.gz"]
    assert [path.name for path in root.iterdir()] == ["download"]
    publisher["/val.de.gz"] = right
    assert make("multi30k", tmp_path).splits["valid"]["pairs"] == 4


def test_download_that_is_no_archive_is_kept_and_named(publisher, tmp_path):
    publisher["/train.en.gz"] = b"<html>Sorry</html>"
    with pytest.raises(ConfigError, match=r"/train\.en\.gz: .*cannot be unpacked.*--archive FILE"):
        make("multi30k", tmp_path)


def test_refused_download_leaves_nothing(publisher, tmp_path):
    publisher.clear()
    assert "the server answered 404 Not Found" in refused("multi30k", tmp_path)


def test_two_at_once(text, tmp_path):
    busy = lock_folder(tmp_path / "data" / "mine")
    with busy, pytest.raises(ConfigError, match="another process prepares"):
        make(text, tmp_path)
    assert make(text, tmp_path).preparation.bpe == 10
