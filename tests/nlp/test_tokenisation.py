# ruff: noqa: RUF001 - text of other languages is meant as it is
"""Text of any language to subwords and back, and corpora of it."""

import dataclasses
import random
import subprocess
import sys

import pytest

from nlp.bleu import check_tokeniser, detokenised, tokeniser_of
from nlp.data.cleaning import CHARACTERS, reason_to_drop
from nlp.data.corpus import Corpus
from nlp.data.prepare import prepare
from nlp.data.spec import Preparation, prepare_command
from nlp.data.tokenisation import join, subwords, to_text, to_words
from workload.errors import ConfigError, UserError

CHINESE = ["我喜欢猫。", "他是老师，她是学生。", "今天下雨。", "你好吗？", "这本书很有意思。"]
ENGLISH = ["I like cats.", "He teaches, she learns.", "It rains.", "How are you?", "A good book."]
SENTENCES = [
    *CHINESE,
    "猫が好きです。東京へ行きます。",
    "저는 고양이를 좋아합니다.",
    "Я люблю котів, а ти?",
    "أنا أحب القطط.",
    "ฉันชอบแมว",
    "Ben kedileri çok seviyorum!",
    "I like cats; don't you?",
]


@pytest.fixture
def text(tmp_path):
    """Chinese and English, of sentences put together by chance."""
    folder = tmp_path / "mine"
    folder.mkdir()
    chance = random.Random(0)
    for split, count in (("train", 120), ("valid", 10), ("test", 10)):
        chosen = [chance.choices(range(5), k=chance.randint(1, 3)) for _ in range(count)]
        sides = {
            "zh": ["".join(CHINESE[n] for n in numbers) for numbers in chosen],
            "en": [" ".join(ENGLISH[n] for n in numbers) for numbers in chosen],
        }
        for language, lines in sides.items():
            content = "".join(f"{line}\n" for line in lines)
            (folder / f"{split}.{language}").write_text(content, encoding="utf-8")
    return folder


def make(text, tmp_path, **changes):
    preparation = Preparation(**{"source": "zh", "target": "en", "bpe": 90, **changes})
    return prepare(str(text), tmp_path / "data", preparation, jobs=1)


@pytest.mark.parametrize(
    "way",
    [
        {"tokenisation": "sentencepiece"},
        {"tokenisation": "sentencepiece", "subwords": "unigram"},
        {"tokenisation": "characters"},
    ],
)
def test_text_of_any_language_comes_back_as_it_was(text, tmp_path, way):
    corpus = make(text, tmp_path, **way)
    segmenter = subwords(way["tokenisation"], corpus.codes)
    for sentence in SENTENCES:
        words = to_words(way["tokenisation"], f"  {sentence} ", "zh")
        back = join(way["tokenisation"], segmenter.segment(words))
        assert to_text(way["tokenisation"], back, "zh") == sentence


def test_pieces_are_those_of_sentencepiece_itself(text, tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    corpus = make(text, tmp_path, tokenisation="sentencepiece")
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(corpus.codes))
    for language in ("zh", "en"):
        raw = corpus.text("test", "raw", language)
        expected = [" ".join(theirs.encode(line, out_type=str)) for line in raw]
        assert corpus.text("test", "bpe", language) == expected
        assert [theirs.decode(line.split()) for line in expected] == raw


def test_fairseq_undoes_the_subwords_alike(text, tmp_path):
    pytest.importorskip("fairseq", reason="fairseq is not installed")
    from fairseq.data.data_utils import post_process

    corpus = make(text, tmp_path, tokenisation="sentencepiece")
    merged = make(text, tmp_path, tokenisation="none", ratio=20.0)
    for line in corpus.text("test", "bpe", "en"):
        assert join("sentencepiece", line) == post_process(line, "sentencepiece")
    for line in merged.text("test", "bpe", "en"):
        assert join("none", line) == post_process(line, "subword_nmt")


def test_another_process_learns_the_same_model(text, tmp_path):
    corpus = make(text, tmp_path, tokenisation="sentencepiece")
    files = [text / "train.zh", text / "train.en"]
    call = f"learn({files!r}, 90, 'bpe', PosixPath({str(tmp_path / 'model')!r}))"
    program = f"from pathlib import PosixPath\nfrom nlp.data.pieces import learn\n{call}"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert (tmp_path / "model").read_bytes() == corpus.codes.read_bytes()


def test_moses_refuses_what_it_has_no_rules_for_and_says_what_does(text, tmp_path):
    with pytest.raises(ConfigError, match=r"'zh' separates no words; choose --tokenisation sent"):
        make(text, tmp_path)
    with pytest.raises(ConfigError, match="'uk' has no rules of Moses; choose --tokenisation"):
        make(text, tmp_path, source="uk")
    assert not (tmp_path / "data").exists()


def test_text_that_is_tokenised_already_is_left_alone(tmp_path):
    line = "Das  ist , glaube ich , <unk> Gut ."
    assert to_words("none", line, "de") == "Das ist , glaube ich , <unk> Gut ."
    assert to_text("none", "Das ist .", "de") == "Das ist ."


def test_symbols_of_fairseqs_own_in_a_text_are_unknown_words(tmp_path):
    pytest.importorskip("fairseq", reason="fairseq is not installed")
    from fairseq.data import Dictionary

    from nlp.data import binarise

    types = binarise.dictionary(["a <s> b", "<unk> a </s>"])
    binarise.write_dictionary(tmp_path / "dict.txt", types)
    assert len(Dictionary.load(str(tmp_path / "dict.txt"))) == 8
    assert binarise.write_binary(tmp_path / "x", ["a <s> b"], types) == (4, 1)


def test_corpora_by_other_ways_lie_side_by_side(text, tmp_path):
    ways = [
        {"tokenisation": "sentencepiece"},
        {"tokenisation": "sentencepiece", "subwords": "unigram"},
        {"tokenisation": "characters", "joined": True},
        {"tokenisation": "characters", "ratio": 2.0},
        {"tokenisation": "characters", "longest": 12},
        {"tokenisation": "none", "ratio": 20.0},
    ]
    corpora = [make(text, tmp_path, **way) for way in ways]
    assert len({corpus.folder for corpus in corpora}) == len(ways)
    for corpus, way in zip(corpora, ways, strict=True):
        assert Corpus.open(corpus.folder) == corpus == make(text, tmp_path, **way)
        assert {key: getattr(corpus.preparation, key) for key in way} == way
        corpus.check_text(text)


def test_a_command_that_is_named_makes_the_corpus_that_is_meant():
    preparation = Preparation("en", "zh-Hans", 500, True, "sentencepiece", "unigram", 3.0, 80)
    command = prepare_command("mine", "data", preparation)
    given = dict(zip(command.split()[3::2], command.split()[4::2], strict=False))
    assert "--tokenisation sentencepiece --subwords unigram --ratio 3 --longest 80" in command
    assert given["--source"] == "en"


def test_cleaning_counts_characters_where_nothing_separates_words():
    assert reason_to_drop("我喜欢猫。", "I like cats very much indeed.", CHARACTERS) is None
    assert reason_to_drop("猫", "the cat is here", CHARACTERS) == "length ratio over 9"
    assert reason_to_drop("猫" * 1_001, "cat " * 300, CHARACTERS) == "over 1000 characters"
    narrow = dataclasses.replace(CHARACTERS, ratio=2, longest=5)
    assert reason_to_drop("我喜", "cats", narrow) is None
    assert reason_to_drop("我喜", "c a t s s", narrow) == "length ratio over 2"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"subwords": "unigram"}, "learned by sentencepiece alone"),
        ({"tokenisation": "words"}, "'words' is none of moses, sentencepiece, characters, none"),
        ({"ratio": 0.5}, "ratio: 0.5 is no ratio of lengths"),
        ({"longest": -1}, "longest: -1"),
        ({"source": "../x"}, "is no code of a language"),
    ],
)
def test_what_no_corpus_can_be_made_by(changes, said):
    with pytest.raises(ConfigError, match=said):
        Preparation(**changes)


def test_too_few_pieces_for_the_characters_are_told(text, tmp_path):
    with pytest.raises(ConfigError, match="bpe: sentencepiece learns no 20 pieces: "):
        make(text, tmp_path, tokenisation="sentencepiece", bpe=20)


@pytest.mark.parametrize(
    ("language", "tokeniser"),
    [("en", "13a"), ("zh", "zh"), ("zh-Hans", "zh"), ("JA", "ja-mecab"), ("th", "char")],
)
def test_bleu_splits_a_language_as_sacrebleu_does(language, tokeniser):
    from sacrebleu.metrics.bleu import BLEU

    assert tokeniser_of(language) == tokeniser
    if tokeniser == "ja-mecab":
        return
    hypotheses, references = CHINESE, [line.replace("。", "！") for line in CHINESE]
    theirs = BLEU(tokenize=tokeniser, lowercase=True).corpus_score(hypotheses, [references])
    ours = detokenised(hypotheses, references, tokeniser_of(language))
    assert ours.value == theirs.score
    assert f"tok:{tokeniser}" in ours.signature


@pytest.mark.parametrize("module", ["MeCab", "ipadic"])
def test_bleu_of_japanese_says_what_it_needs(monkeypatch, module):
    """sacrebleu itself would miss its dictionary only when the first epoch is over."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name != module or None)
    said = rf"BLEU of ja needs {module}; `pip install 'sacrebleu\[ja\]'`"
    with pytest.raises(UserError, match=said):
        check_tokeniser("ja")
    check_tokeniser("de")
