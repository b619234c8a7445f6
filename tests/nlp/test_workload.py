"""Translation as a workload: presets by the name of their data, records, what is checked first."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

import nlp.packages
from nlp.cost import parameters
from nlp.data.spec import Preparation
from nlp.workload import WORKLOAD as NLP
from suite.__main__ import main
from suite.config.request import as_yaml, read_request
from tests.suite.fake_training import translation_evaluation, translation_row
from tests.suite.run_files import checkpoint, make_corpus, record, run_paths
from workload import resources
from workload.member import Outcome
from workload.progress import MemberProgress, Progress

TINY = ["run", "nlp", "--data", "grammar-tiny", "--device", "cpu"]


class FakeTranslation:
    """Takes the place of nlp's training, after all that checks the machine.

    Args:
        statuses: how members end, by scheme; `finished` where nothing is said.
    """

    def __init__(self, statuses=None):
        self.statuses, self.calls = statuses or {}, []

    def __call__(self, recipe, members, logs, machine, *, progress, stop):
        self.calls.append([(member, recipe, machine) for member in members])
        for member, log in zip(members, logs, strict=True):
            figures = {"loss": 8.5, "valid BLEU": None, "best": None}
            name = f"{member.name}/seed{member.seed}"
            shown = (MemberProgress(name, "running", figures),)
            progress(Progress("epoch 1/1 training", 25, 170, 4.25, 34.0, shown, "updates"))
            log.rewind({})
            log.metrics(translation_row(25))
            log.metrics(translation_row(50, loss=7.5))
            figures = {"train/loss": 7.25, "valid/bleu": 25.5}
            log.evaluation(translation_evaluation(1, 60, **figures))
            test = {"test/bleu": 23.125, "test/bleu_13a": 22.75, "test/signature": "nrefs:1"}
            log.evaluation(translation_evaluation(1, 60, **test))
            checkpoint(log.path, "001-000030.pt", [0, 30, 30])
            checkpoint(log.path, "002-000000.pt", [1, 0, 60])
            (log.path / "weights").mkdir(exist_ok=True)
        return [Outcome(self.statuses.get(m.scheme, "finished"), {"loss": 7.25}) for m in members]


@pytest.fixture
def translating(monkeypatch, tmp_path):
    """Install a FakeTranslation in an empty working directory, as if the extra were there; the
    grammar's corpus, which makes itself, is a small one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nlp.data.sources.GRAMMAR_SPLITS", {"train": 40, "valid": 8, "test": 8})

    def install(**script):
        fake = FakeTranslation(**script)
        monkeypatch.setattr(NLP, "train", fake)
        monkeypatch.setattr(nlp.packages, "EXTRA", ())
        return fake

    return install


def job(*argv):
    return read_request(NLP, argv, "wdbench run nlp").job


def test_without_flags_it_is_the_papers_iwslt14():
    recipe = job().recipe
    assert recipe == NLP.Recipe()
    assert (recipe.data, recipe.width, recipe.warm_up, recipe.beta2) == ("iwslt14", 512, 4000, 0.98)


@pytest.mark.parametrize("name", NLP.preset_names())
def test_the_name_of_a_preset_as_data_takes_that_preset(name):
    assert job("--data", name) == job("--preset", name)
    assert job(f"--data={name}") == job("--preset", name)


def test_data_that_is_no_presets_name_is_data():
    assert job("--data", "multi30k").recipe == NLP.Recipe(data="multi30k")
    own = job("--preset", "multi30k-small", "--data", "texts/own").recipe
    assert (own.data, own.width) == ("texts/own", 192)


def test_of_several_values_of_data_the_last_is_taken(tmp_path):
    assert job("--data", "own", "--data", "multi30k-small").recipe.data == "multi30k"
    assert job("--data", "multi30k-small", "--data", "own").recipe.data == "own"
    (tmp_path / "a.yaml").write_text("data: own\nepochs: 2\n")
    file = ["--config", str(tmp_path / "a.yaml")]
    above = job(*file, "--data", "multi30k-small").recipe
    assert (above.data, above.width, above.epochs) == ("multi30k", 192, 2)


def test_a_named_preset_goes_on_being_below_the_flags():
    recipe = job("--epochs", "9", "--data", "multi30k-small", "--seed", "3").recipe
    assert (recipe.epochs, recipe.max_tokens) == (9, 2048)


def test_the_printed_config_given_back_is_the_same_request(tmp_path):
    resolved = job("--data", "grammar-tiny", "--scheme", "l2", "--weight-decay", "1e-4")
    (tmp_path / "printed.yaml").write_text(as_yaml(resolved))
    assert job("--config", str(tmp_path / "printed.yaml")) == resolved


def test_help_groups_every_key_of_the_recipe_once():
    grouped = [key for keys in NLP.SECTIONS.values() for key in keys]
    assert sorted(grouped) == sorted(NLP.Recipe.keys())


def test_the_task_of_a_folder_is_its_last_name():
    for data, expected in (("iwslt14", "iwslt14"), ("../texts/own/", "own")):
        assert NLP.task(NLP.Recipe(data=data)) == expected


def test_weights_to_begin_with_have_one_name_however_they_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = "runs/nlp/own/none/seed0-12345678"
    ways = [run, f"./{run}/", str(tmp_path / run)]
    assert {NLP.resolved(NLP.Recipe(init_from=way))["init_from"] for way in ways} == {
        "none/seed0-12345678"
    }
    file = NLP.Recipe(init_from=f"{run}/weights/epoch003.pt")
    assert NLP.resolved(file)["init_from"] == "none/seed0-12345678/epoch003.pt"


def test_parameters_are_those_of_fairseqs_models():
    # transformer_iwslt_de_en with the dictionaries of fairseq's own preparation
    assert parameters(NLP.Recipe(), types=8_848 + 6_632) == 39_469_056
    assert parameters(NLP.Recipe(joined=True), types=10_152) == 36_741_120


@pytest.mark.slow
def test_a_finished_run_leaves_its_records_and_its_newest_state(translating, capsys):
    translating()
    assert main(TINY) == 0
    (path,) = run_paths()
    assert path.parts[:4] == ("runs", "nlp", "grammar", "none")
    assert record(path, "config.json")["workload"] == "nlp"
    assert record(path, "done.json")["status"] == "finished"
    assert (path / "weights").is_dir()
    states = sorted(file.name for file in (path / "checkpoint").iterdir())
    assert states == ["002-000000.pt", "checkpoint.json"]
    out = capsys.readouterr().out
    assert (
        "grammar epoch 1/1 training 25/170, 4.2 updates/s, 34 s left | none/seed0 loss 8.5" in out
    )
    assert (path / "plot.png").exists()


@pytest.mark.slow
def test_members_train_one_after_the_other_and_each_is_recorded(translating):
    fake = translating(statuses={"l2": "interrupted"})
    schemes = ["--scheme", "none", "l2", "separated", "--weight-decay", "1e-4"]
    assert main([*TINY, *schemes]) != 0
    assert [[member.scheme for member, *_ in call] for call in fake.calls] == [["none"], ["l2"]]
    done = {path.parent.name: (path / "done.json").exists() for path in run_paths()}
    assert done == {"none": True, "l2-1e-4": False, "separated-1e-4": False}
    fake = translating()
    assert main([*TINY, *schemes]) == 0
    assert [call[0][0].scheme for call in fake.calls] == ["l2", "separated"]


def fails(argv, capsys):
    """The one line on stderr of a command that makes nothing."""
    before = sorted(Path().rglob("*"))
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert sorted(Path().rglob("*")) == before
    return error


def test_a_missing_package_says_how_to_install_it(translating, capsys, monkeypatch):
    translating()
    monkeypatch.setattr(nlp.packages, "EXTRA", ("no_such_package",))
    error = fails(TINY, capsys)
    assert "translation needs no_such_package" in error
    assert "`make nlp`" in error


def test_an_unprepared_corpus_says_what_to_run(translating, capsys):
    translating()
    error = fails(["run", "nlp", "--data", "multi30k-small", "--data-dir", "texts"], capsys)
    assert "multi30k is not prepared in texts/multi30k/bpe-5000-joined; run " in error
    assert "`wdbench prepare multi30k --bpe 5000 --joined --data-dir texts`" in error


@pytest.mark.slow
def test_what_is_prepared_is_named_with_the_preset_and_the_flags_that_train_on_it(
    translating, capsys
):
    fake = translating()
    make_corpus("data", "multi30k", bpe=5_000, joined=True)
    error = fails(["run", "nlp", "--data", "multi30k", "--device", "cpu"], capsys)
    assert (
        "multi30k is not prepared in data/multi30k/bpe-10000, but in bpe-5000-joined, with "
        "--preset multi30k-small or --bpe 5000 --joined true; or run "
        "`wdbench prepare multi30k --bpe 10000` first"
    ) in error
    for flags in (["--preset", "multi30k-small"], ["--bpe", "5000", "--joined", "true"]):
        assert main(["run", "nlp", "--data", "multi30k", "--device", "cpu", *flags]) == 0
    assert len(fake.calls) == 2


def test_characters_have_no_number_of_merges():
    """It is neither read nor advised."""
    prepared, asked = (Preparation(tokenisation="characters", bpe=n) for n in (77, 10_000))
    assert prepared.corpus == asked.corpus
    assert prepared.flags() == ["--tokenisation", "characters"]


def test_all_presets_have_the_same_seed():
    assert {
        member.seed for name in NLP.preset_names() for member in job("--preset", name).members
    } == {0}


def test_an_unknown_corpus(translating, capsys):
    translating()
    assert "did you mean multi30k" in fails(["run", "nlp", "--data", "multi30"], capsys)
    both = ["run", "nlp", "--preset", "iwslt14", "--data", "multi30k-small"]
    assert "is a preset; write --preset multi30k-small" in fails(both, capsys)


def test_a_prepared_corpus_trains_and_other_languages_do_not(translating, capsys):
    fake = translating()
    make_corpus("data", "own", bpe=10_000, joined=False, source="fr", target="en")
    error = fails(["run", "nlp", "--data", "own", "--device", "cpu"], capsys)
    assert (
        "own is not prepared in data/own/bpe-10000, but in bpe-10000-fr-en, with --source fr"
        in error
    )
    assert main(["run", "nlp", "--data", "own", "--source", "fr", "--device", "cpu"]) == 0
    assert len(fake.calls) == 1


def test_max_tokens_below_the_longest_sentence_leaves_no_run(translating, capsys):
    translating()
    make_corpus("data", "own", bpe=10_000, joined=False)
    argv = ["run", "nlp", "--data", "own", "--device", "cpu", "--max-tokens", "2"]
    assert "max_tokens: 2 is smaller than pair 1 of train, which has 3" in fails(argv, capsys)


def test_the_grammar_has_one_language_pair_only(translating, capsys):
    translating()
    said = "grammar has the languages de and en, not fr and en"
    assert said in fails([*TINY, "--source", "fr"], capsys)


def test_a_folder_given_as_a_point_is_its_own_name(translating, tmp_path, monkeypatch):
    fake = translating()
    make_corpus("data", "own", bpe=10_000, joined=False)
    (tmp_path / "own").mkdir()
    monkeypatch.chdir(tmp_path / "own")
    places = ["--data-dir", "../data", "--runs", "../runs"]
    assert main(["run", "nlp", "--data", ".", "--device", "cpu", *places]) == 0
    assert len(fake.calls) == 1
    assert (tmp_path / "runs" / "nlp" / "own" / "none").is_dir()


def test_devices_that_cannot_share_an_update(translating, capsys):
    translating()
    assert "devices: 2 cannot share" in fails([*TINY, "--devices", "2"], capsys)


def test_too_little_memory_and_disk(translating, capsys, monkeypatch):
    translating()
    monkeypatch.setattr(resources, "free_memory", lambda: 10**9)
    assert "1 GB are free; choose a smaller --width" in fails(TINY, capsys)
    monkeypatch.setattr(resources, "free_memory", lambda: 10**10)  # enough for one process
    many = [*TINY, "--devices", "20", "--accumulate", "20"]
    assert "10 GB are free; choose a smaller --width or --layers, or fewer" in fails(many, capsys)
    monkeypatch.setattr(resources, "free_memory", lambda: 10**11)
    monkeypatch.setattr(resources, "free_disk", lambda path: 10**6)
    assert "1 MB are free; choose another --runs" in fails(TINY, capsys)


def test_a_run_stands_where_its_checkpoint_says(tmp_path):
    assert NLP.checkpoint_position(tmp_path) is None
    checkpoint(tmp_path, "001-000030.pt", [0, 5, 5])
    checkpoint(tmp_path, "002-000000.pt", [1, 2, 7])
    assert NLP.checkpoint_position(tmp_path) == (1, 2, 7)


def test_a_run_whose_newest_checkpoint_is_damaged_stands_at_the_one_before(tmp_path):
    checkpoint(tmp_path, "1-5.pt", [0, 5, 5])
    checkpoint(tmp_path, "1-7.pt", [1, 2, 7])
    (tmp_path / "checkpoint" / "1-7.pt").write_bytes(b"other")
    assert NLP.checkpoint_position(tmp_path) == (0, 5, 5)


@pytest.mark.slow
def test_the_hash_of_a_run_is_that_of_its_config_without_defaults_and_cadence(translating):
    translating()
    main(TINY)
    (path,) = run_paths()
    config = json.loads((path / "config.json").read_text())
    defaults = dataclasses.asdict(NLP.Recipe())
    free = ("epochs", "log_every")
    config["recipe"] = {
        key: value
        for key, value in config["recipe"].items()
        if key not in free and value != defaults[key]
    }
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    assert path.name == f"seed0-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
