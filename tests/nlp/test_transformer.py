"""fairseq's own forward pass as the oracle of ours, with dropout, padding and gradients."""

import dataclasses

import pytest

pytest.importorskip("fairseq", reason="fairseq is not installed")

import torch

from nlp.data.corpus import Corpus, corpus_folder
from nlp.fairseq_model import build_model, build_task, load_split
from nlp.transformer import Transformer
from tests.nlp.runs import SMALL

RECIPE = dataclasses.replace(SMALL, width=32, layers=2, heads=4, dropout=0.3)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(scope="module")
def task(data_dir):
    corpus = Corpus.open(corpus_folder(data_dir, RECIPE.data, RECIPE.preparation))
    task = build_task(RECIPE, corpus)
    load_split(task, "train")
    return task


@pytest.fixture(
    params=[(True, 4), (False, 4), (False, 2)], ids=["joined", "apart", "attention in C"]
)
def model(task, request):
    """As after training: no bias is zero, nor what padding is embedded as."""
    torch.manual_seed(0)
    joined, heads = request.param  # of 16, which C can do, where they are two
    model = build_model(dataclasses.replace(RECIPE, joined=joined, heads=heads), task)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    for side in (model.encoder, model.decoder):
        torch.nn.init.normal_(side.embed_tokens.weight.data[side.padding_idx])
    return model.train()


@pytest.fixture
def batch(task):
    """Pairs of different lengths: padding on both sides."""
    batch = task.dataset("train").collater([task.dataset("train")[place] for place in range(12)])
    padding = task.source_dictionary.pad()
    for tokens in (batch["net_input"]["src_tokens"], batch["target"]):
        assert tokens.eq(padding).any()
    return batch


def both(model, batch, device, dtype):
    """Logits where they count and gradients of a random function of them: theirs, ours."""
    model, inputs = model.to(device), {k: v.to(device) for k, v in batch["net_input"].items()}
    counts = batch["target"].ne(model.decoder.padding_idx).to(device)
    torch.manual_seed(1)
    with torch.autocast(device, torch.bfloat16, enabled=dtype == torch.bfloat16):
        theirs, _ = model(**inputs)
    torch.manual_seed(1)
    transformer = Transformer(model, dtype)
    features = transformer.features(inputs["src_tokens"], inputs["prev_output_tokens"])
    assert features.dtype == torch.float32
    ours = transformer.logits(features).unflatten(0, (-1, len(theirs))).transpose(0, 1)
    results = []
    weights = torch.randn(theirs[counts].shape, generator=torch.Generator().manual_seed(2))
    for logits in (theirs, ours):
        assert logits.dtype == dtype
        model.zero_grad()
        (logits[counts].float() * weights.to(device)).sum().backward()
        gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        results.append((logits[counts].detach(), gradients))
    return results


@pytest.mark.parametrize("device", DEVICES)
def test_logits_and_gradients_are_those_of_fairseq(model, batch, device):
    (their_logits, theirs), (logits, ours) = both(model, batch, device, torch.float32)
    torch.testing.assert_close(logits, their_logits, rtol=1e-4, atol=1e-5)
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_in_bfloat16_they_are_about_as_far_from_float32_as_fairseqs_under_autocast(
    model, batch, device
):
    for module in model.modules():
        if hasattr(module, "apply_during_inference"):  # a GPU drops others in another dtype
            module.p = 0.0
    (_, exact), _ = both(model, batch, device, torch.float32)
    (_, theirs), (_, ours) = both(model, batch, device, torch.bfloat16)

    def distance(gradients):
        """Of all gradients together, relative."""
        return float(
            sum((gradients[name] - value).square().sum() for name, value in exact.items()).sqrt()
            / sum(value.square().sum() for value in exact.values()).sqrt()
        )

    assert all(gradient.dtype == torch.float32 for gradient in ours.values())
    assert 1e-4 < distance(theirs) < 0.05
    assert distance(ours) < 2 * distance(theirs)


@pytest.mark.parametrize("device", DEVICES)
def test_a_sentence_does_not_depend_on_its_neighbours_padding(task, model, device):
    """Alone, a pair has no padding; beside longer ones it has."""
    model = model.to(device).eval()
    dataset = task.dataset("train")
    pairs = sorted((dataset[place] for place in range(30)), key=lambda pair: len(pair["target"]))
    together, alone = (dataset.collater(chosen) for chosen in ([pairs[0], pairs[-1]], [pairs[0]]))

    def features(batch):
        inputs = (batch["net_input"][key] for key in ("src_tokens", "prev_output_tokens"))
        return Transformer(model).features(*(tokens.to(device) for tokens in inputs))

    place = together["id"].tolist().index(pairs[0]["id"])
    length = len(pairs[0]["target"])
    beside = features(together).unflatten(0, (-1, 2))[:length, place]
    torch.testing.assert_close(beside, features(alone))
