"""What `wdbench doctor` says of translation."""

import numpy as np

from nlp import doctor
from tests.suite.run_files import make_corpus
from workload.findings import installed


def test_a_package_that_is_missing_is_a_note_that_says_how_to_install():
    absent, present = installed(("no_such_package", "numpy"), doctor.ADVICE)
    assert (absent.mark, absent.topic) == ("note", "no_such_package")
    assert "translation needs it" in absent.text
    assert "`make nlp`" in absent.text
    assert (present.mark, present.text) == ("ok", np.__version__)


def test_prepared_corpora_are_listed_and_damaged_ones_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (finding,) = doctor.corpora()
    assert (finding.mark, "`wdbench prepare`" in finding.text) == ("note", True)
    make_corpus("data", "multi30k", bpe=5000, joined=True)
    damaged = make_corpus("data", "iwslt14", bpe=10000, joined=False)
    (damaged / "corpus.json").write_text("nonsense")
    note, found = doctor.corpora()
    assert "data/iwslt14/bpe-10000/corpus.json is damaged" in note.text
    assert found.text == "prepared: data/multi30k/bpe-5000-joined (de-en, 29,000 pairs)"
