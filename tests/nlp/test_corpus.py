"""A prepared corpus as training opens it. Needs neither torch nor fairseq."""

import pytest

from nlp.data.corpus import Corpus, corpus_folder, corpus_name
from nlp.data.spec import Preparation
from workload.errors import ConfigError


def test_a_folder_has_the_last_name_of_its_path_however_it_is_written(tmp_path, monkeypatch):
    (tmp_path / "texts" / "own").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "texts" / "own")
    monkeypatch.chdir(tmp_path / "texts" / "own")
    for data in (".", "../own", "../own/", str(tmp_path / "texts" / "own"), "own"):
        assert corpus_name(data) == "own"
    assert corpus_name("..") == "texts"
    assert corpus_name("../../link") == "link"
    assert (
        corpus_folder(tmp_path, ".", Preparation(bpe=10, joined=True))
        == tmp_path / "own" / "bpe-10-joined"
    )


def test_a_pair_that_fits_no_batch_is_named(tmp_path):
    """Of 4 subwords at most, 5 tokens with the end mark: the target of the third pair."""
    lines = {"de": "a b\na\na@@ b\n", "en": "a\na\na b@@ c d\n"}
    for language, text in lines.items():
        (tmp_path / f"train.bpe.{language}").write_text(text)
        (tmp_path / f"valid.bpe.{language}").write_text("a b c d e f\n")
    splits = {split: {"pairs": 8} for split in ("train", "valid")}
    corpus = Corpus(tmp_path, "own", Preparation(), splits)
    with pytest.raises(ConfigError, match=r"max_tokens: 4 .* pair 3 of train, which has 5 tokens"):
        corpus.check_batches(4)
    with pytest.raises(ConfigError, match=r"max_tokens: 6 .* pair 1 of valid, which has 7 tokens"):
        corpus.check_batches(6)
    corpus.check_batches(7)


def test_too_few_pairs_for_a_batch(tmp_path):
    splits = {"train": {"pairs": 7}, "valid": {"pairs": 30}}
    with pytest.raises(ConfigError, match="own has 7 train pairs; 8 are needed"):
        Corpus(tmp_path, "own", Preparation(), splits).check_batches(100)
