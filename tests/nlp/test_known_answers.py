"""Preparation against what fairseq's own made of IWSLT'14, line by line and byte by byte.

The texts are TED's, CC BY-NC-ND, and not part of the project: see tests/nlp/data.py.
"""

import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from nlp.data import binarise, sources
from nlp.data.cleaning import Dropped, kept
from nlp.data.prepare import prepare
from nlp.data.sources import IWSLT_TESTS
from nlp.data.spec import Preparation
from nlp.data.text import Segmenter, lower_case, tokenise
from tests.nlp.data import iwslt_lines
from tests.real_data import real

pytestmark = pytest.mark.slow

LANGUAGES = ("de", "en")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The archive of the real data, unpacked."""
    path = real("translation/iwslt14_deen.tar.xz")
    folder = tmp_path_factory.mktemp("iwslt")
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return folder / "iwslt14_deen"


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def differing(ours, theirs):
    assert len(ours) == len(theirs)
    return sum(a != b for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("language", LANGUAGES)
def test_tokens_of_the_test_talks_are_the_official_ones(published, language):
    xml = [
        sources.segments(published / f"orig/de-en/IWSLT14.{name}.de-en.{language}.xml")
        for name in IWSLT_TESTS
    ]
    ours = [lower_case(tokenise(line, language)) for part in xml for line in part]
    assert len(ours) == 6750
    assert differing(ours, lines(published / f"tok/test.{language}")) == 0


@pytest.mark.parametrize("split", ["valid", "test"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_subwords_by_the_official_codes_are_the_official_ones(published, split, language):
    segmenter = Segmenter(published / "meta/bpe10k.codes")
    ours = [segmenter.segment(line) for line in lines(published / f"tok/{split}.{language}")]
    assert len(ours) == {"valid": 7283, "test": 6750}[split]
    assert differing(ours, lines(published / f"bpe10k/{split}.{language}")) == 0


@pytest.mark.parametrize(
    ("language", "tokens", "unknown"), [("de", 161_838, 0.0636), ("en", 156_928, 0.00892)]
)
def test_binarised_test_set_has_the_counts_of_fairseqs_log(
    published, tmp_path, language, tokens, unknown
):
    pytest.importorskip("fairseq", reason="needs fairseq")
    dictionary = lines(published / f"meta/dict.{language}.txt")
    types = {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in dictionary}
    text = lines(published / f"bpe10k/test.{language}")
    found = binarise.write_binary(tmp_path / "test", text, types)
    assert found[0] == tokens
    assert 100 * found[1] / found[0] == pytest.approx(unknown, rel=5e-3)


def test_official_dictionary_comes_back_from_its_own_counts(published):
    """Order and padding: a text with each type as often as the dictionary says gives it again."""
    dictionary = lines(published / "meta/dict.en.txt")
    counts = [line.rpartition(" ")[::2] for line in dictionary]
    text = [" ".join([word] * int(count)) for word, count in reversed(counts)]
    types = binarise.dictionary(text)
    assert [f"{word} {count}" for word, count in types.items()] == dictionary


def talk_lines(xml: Path) -> list[str]:
    """A train.tags file of the talks in an evaluation set: the text between the talk's tags."""
    result = []
    for line in lines(xml):
        if line.startswith("<seg"):
            result.append(re.sub(r"</?seg[^>]*>", "", line).strip())
        elif re.match("<(url|keywords|talkid|title|description)>", line):
            result.append(line)
    return result


@pytest.fixture(scope="module")
def archive(published, tmp_path_factory):
    """An archive laid out like the published one; its training text is other talks."""
    path = tmp_path_factory.mktemp("archive") / "de-en.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for file in (published / "orig/de-en").iterdir():
            tar.add(file, f"de-en/{file.name}")
        for language in LANGUAGES:
            train = [
                line
                for name in ("TEDX.tst2013",)
                for line in talk_lines(published / f"raw_eval/IWSLT16.{name}.de-en.{language}.xml")
            ]
            content = "".join(f"{line}\n" for line in train).encode()
            member = tarfile.TarInfo(f"de-en/train.tags.de-en.{language}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(scope="module")
def prepared(archive, tmp_path_factory):
    """The corpus made of it."""
    pytest.importorskip("fairseq", reason="needs fairseq")
    folder = tmp_path_factory.mktemp("prepared")
    return prepare("iwslt14", folder, Preparation(bpe=100), archive=archive, jobs=1)


def test_the_whole_archive(published, archive, prepared):
    corpus, folder = prepared, prepared.folder
    # The test set is the official one, though the training text is not.
    for language in LANGUAGES:
        official = (published / f"tok/test.{language}").read_bytes()
        assert (folder / f"test.tok.{language}").read_bytes() == official
        segmenter = Segmenter(corpus.codes)
        assert [segmenter.segment(line) for line in corpus.text("test", "tok", language)] == (
            corpus.text("test", "bpe", language)
        )
    # Every 23rd of the pairs that cleaning left is for validation; nothing is lost.
    with tarfile.open(archive) as tar:
        sides = []
        for language in LANGUAGES:
            file = tar.extractfile(f"de-en/train.tags.de-en.{language}")
            text = file.read().decode().removesuffix("\n").split("\n")
            text = [line for line in text if not re.match("<(url|keywords|talkid)>", line)]
            sides.append([re.sub("</?(title|description)>", "", line) for line in text])
    tokens = [
        [lower_case(tokenise(line, language)) for line in side]
        for side, language in zip(sides, LANGUAGES, strict=True)
    ]
    left = kept(*tokens, Dropped())
    assert corpus.splits["train"]["pairs"] + corpus.splits["valid"]["pairs"] == len(left)
    for raw, tok, language in zip(sides, tokens, LANGUAGES, strict=True):
        assert corpus.text("valid", "tok", language) == [tok[place] for place in left[22::23]]
        assert corpus.text("valid", "raw", language) == [raw[place] for place in left[22::23]]
    report = json.loads((folder / "report.json").read_text())
    assert sum(report["dropped"].values()) == len(sides[0]) - len(left)
    # It is not the published corpus, and says so.
    assert "train pairs is" in " ".join(report["differs from the published preparation"])


def test_finished_stages_are_not_redone(prepared):
    folder, seen = prepared.folder.parents[1], set()

    def again(preparation):
        seen.clear()
        return prepare(
            "iwslt14", folder, preparation, jobs=1, progress=lambda stage, *_: seen.add(stage)
        )

    both = Preparation(bpe=100, joined=True)
    joined = again(both)
    assert seen == {"split into subwords", "binarise"}
    assert joined.codes.read_bytes() == prepared.codes.read_bytes()
    assert joined.dictionary("de").read_bytes() == joined.dictionary("en").read_bytes()
    again(both)
    assert not seen


def test_tokens_of_other_talks_are_plain_mosess_with_the_last_period_split():
    """Against sacremoses itself, line by line; only lines with a final period may differ."""
    moses = pytest.importorskip("sacremoses").MosesTokenizer("en")
    text = iwslt_lines("raw_eval/IWSLT16.TED.tst2014.de-en.en")
    for line in text[:500]:
        plain = moses.tokenize(line, return_str=True)
        assert tokenise(line, "en") in (plain, re.sub(r"(?<=[^ .])\.$", " .", plain))


def test_checksums_of_the_real_data_are_those_that_verification_expects(published):
    from nlp.data.verification import IWSLT14_JOINED, IWSLT14_SHA256

    def digest(name):
        return hashlib.sha256((published / "meta" / name).read_bytes()).hexdigest()

    assert digest("bpe10k.codes") == IWSLT14_SHA256["codes"]
    assert digest("dict.de.txt") == IWSLT14_SHA256["dict.de.txt"]
    assert digest("dict.en.txt") == IWSLT14_SHA256["dict.en.txt"]
    assert digest("dict.joined.txt") == IWSLT14_JOINED
