import pytest


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A folder with the prepared corpus `sentences`: 140 pairs of our grammar, 19 batches."""
    pytest.importorskip("fairseq", reason="fairseq is not installed")
    from tests.nlp.runs import prepared

    return prepared(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with a prepared corpus in data/ and a run with weights nobody trained in runs/."""
    pytest.importorskip("fairseq", reason="fairseq is not installed")
    import torch

    from nlp import weights
    from nlp.data.corpus import Corpus, corpus_folder
    from nlp.fairseq_model import build_model, build_task
    from nlp.workload import WORKLOAD as NLP
    from suite.runs.directory import Run, locked
    from tests.nlp.runs import SIZES, prepared
    from workload.member import Member

    folder = tmp_path_factory.mktemp("translate")
    data = prepared(folder, train=100, held_out=10, bpe=60)
    recipe = NLP.Recipe(data="sentences", **SIZES)
    run = Run.of(NLP, recipe, Member("none", 0.0, 0), folder / "runs")
    with locked([run]):
        corpus = Corpus.open(corpus_folder(data, "sentences", recipe.preparation))
        for epoch in (1, 2):
            torch.manual_seed(epoch)
            model = build_model(recipe, build_task(recipe, corpus))
            path = weights.save(run.path, epoch, model, recipe, corpus)
        weights.mark_best(path)
    return folder, run.path


@pytest.fixture(scope="session")
def taught(data_dir):
    """A `TrainedModel` on `sentences`, taught a little: it says something else about every one."""
    import torch

    from nlp.batches import TrainingBatches
    from nlp.data.corpus import Corpus, corpus_folder
    from nlp.fairseq_model import build_model, build_task, load_split
    from nlp.loss import batch_loss
    from nlp.transformer import Transformer
    from nlp.weights import TrainedModel
    from tests.nlp.runs import TAUGHT

    corpus = Corpus.open(corpus_folder(data_dir, TAUGHT.data, TAUGHT.preparation))
    task = build_task(TAUGHT, corpus)
    for split in ("train", "test"):
        load_split(task, split)
    torch.manual_seed(3)
    model = build_model(TAUGHT, task)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    transformer = Transformer(model)
    batches = TrainingBatches(task, 500, 1, 0, 1)
    for epoch in range(20):
        batches.seek(epoch, 0)
        for batch in batches:
            sums = batch_loss(transformer, batch, 0.1, task.target_dictionary.pad())
            optimizer.zero_grad()
            (sums.loss / sums.tokens).backward()
            optimizer.step()
    return TrainedModel(model.eval(), task, corpus, TAUGHT)
