"""The model against a second one, written out in plain products of one window's rows."""

import importlib.util
import math
import subprocess
import sys

import pytest
import torch
from torch.nn import functional

from lm.cost import parameters
from lm.gpt import GPT
from tests.lm.runs import recipe

SHAPE = {"vocabulary": 11, "context": 7, "layers": 2, "heads": 2, "width": 8}


def model(**changes):
    torch.manual_seed(0)
    found = GPT(**SHAPE | changes)
    with torch.no_grad():  # larger weights, with gains that are not 1, so that every part counts
        for parameter in found.parameters():
            parameter.mul_(10 if parameter.ndim > 1 else 1).add_(0.1 * torch.randn_like(parameter))
    return found


def norm(x, gain):
    """Of a row."""
    away = x - x.mean()
    return away / math.sqrt(float((away**2).mean()) + 1e-5) * gain


def plain_logits(weights, tokens, heads):
    """Of one window, a place at a time, in float64: nothing of torch.nn."""
    w = {name: value.double() for name, value in weights.items()}
    width = w["wte.weight"].shape[1]
    size = width // heads
    rows = [w["wte.weight"][t] + w["wpe.weight"][n] for n, t in enumerate(tokens)]
    for layer in range(sum(name.endswith("ln_1.weight") for name in w)):
        own = {
            n.removeprefix(f"h.{layer}."): v for n, v in w.items() if n.startswith(f"h.{layer}.")
        }
        qkv = [own["attn.c_attn.weight"] @ norm(x, own["ln_1.weight"]) for x in rows]
        mixed = []
        for place in range(len(rows)):
            parts = []
            for head in range(heads):
                at = slice(head * size, (head + 1) * size)
                q = qkv[place][:width][at]
                keys = [each[width : 2 * width][at] for each in qkv[: place + 1]]
                scores = torch.stack([q @ k for k in keys]) / math.sqrt(size)
                share = scores.exp() / scores.exp().sum()
                values = [each[2 * width :][at] for each in qkv[: place + 1]]
                parts.append(sum(s * v for s, v in zip(share, values, strict=True)))
            mixed.append(own["attn.c_proj.weight"] @ torch.cat(parts))
        rows = [x + y for x, y in zip(rows, mixed, strict=True)]
        for place, x in enumerate(rows):
            hidden = own["c_fc.weight"] @ norm(x, own["ln_2.weight"])
            hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
            rows[place] = x + own["c_proj.weight"] @ hidden
    return torch.stack([w["wte.weight"] @ norm(x, w["ln_f.weight"]) for x in rows])


# heads of 4, by torch's attention, and of 16, by that in C
@pytest.mark.parametrize("width", [8, 32])
def test_logits_and_loss_are_those_of_a_second_implementation(width):
    found = model(width=width)
    tokens = torch.randint(0, 11, (3, 7))
    logits = found(tokens)
    for window, ours in zip(tokens, logits, strict=True):
        expected = plain_logits(found.state_dict(), window.tolist(), heads=2)
        torch.testing.assert_close(ours.double(), expected, rtol=1e-4, atol=1e-5)
    nothing_new = found(tokens[:, :4])  # a shorter window is the beginning of a longer one
    torch.testing.assert_close(nothing_new, logits[:, :4])


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="no transformers")
@pytest.mark.parametrize("width", [8, 32])
def test_logits_and_loss_are_those_of_transformers_with_the_same_weights(width):
    from transformers import GPT2Config, GPT2LMHeadModel

    found = model(width=width)
    config = GPT2Config(
        vocab_size=11, n_positions=7, n_embd=width, n_layer=2, n_head=2, activation_function="gelu"
    )
    peer = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in peer.parameters():
            parameter.zero_()
        theirs = peer.transformer.state_dict()
        for name, value in found.state_dict().items():
            place = name.replace("c_fc", "mlp.c_fc")
            if ".c_proj" in name and ".attn" not in name:
                place = name.replace("c_proj", "mlp.c_proj")
            # its Conv1D keeps matrices the other way around
            theirs[place].copy_(value.T if "c_" in name else value)
    tokens = torch.randint(0, 11, (3, 7))
    expected = peer(tokens, labels=tokens)  # each token is the target of those before it
    logits = found(tokens)
    torch.testing.assert_close(logits, expected.logits, rtol=1e-4, atol=1e-5)
    loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    torch.testing.assert_close(loss, expected.loss)


def test_gpt_2_has_its_published_number_of_parameters():
    """nanoGPT prints 123.59M for the smallest without positions, 124.37M with them."""
    with torch.device("meta"):
        found = GPT(50_304, 1_024, 12, 12, 768)
    count = sum(p.numel() for p in found.parameters())
    assert count == 124_373_760
    assert round((count - 1_024 * 768) / 1e6, 2) == 123.59


def test_cost_counts_what_the_model_has():
    own = recipe(layers=3)
    found = GPT(29, own.context, own.layers, own.heads, own.width)
    assert parameters(own, 29) == sum(p.numel() for p in found.parameters())


def test_initial_weights_have_gpt_2s_deviations():
    torch.manual_seed(1)
    found = GPT(300, 100, 8, 4, 64)
    for name, parameter in found.named_parameters():
        if parameter.ndim == 1:
            assert torch.equal(parameter, torch.ones_like(parameter)), name
            continue
        expected = 0.02 / math.sqrt(16) if name.endswith("c_proj.weight") else 0.02
        error = 4 * expected / math.sqrt(2 * parameter.numel())
        assert parameter.std().item() == pytest.approx(expected, abs=error), name


def test_a_fresh_model_knows_nothing():
    """Its loss is about ln of the vocabulary."""
    torch.manual_seed(2)
    found = GPT(300, 20, 2, 2, 32)
    tokens = torch.randint(0, 300, (50, 21))
    logits = found(tokens[:, :-1]).flatten(0, 1)
    loss = torch.nn.functional.cross_entropy(logits, tokens[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(300), abs=0.05)


def test_whoever_exports_the_model_gets_operators():
    torch.manual_seed(5)
    gpt, tokens = GPT(11, 9, 1, 2, 32), torch.randint(11, (2, 9))
    exported = torch.export.export(gpt, (tokens,)).module()
    torch.testing.assert_close(exported(tokens), gpt(tokens))


COMPILED = """
import torch
from lm.gpt import GPT

gpt, tokens = GPT(11, 9, 1, 2, 32), torch.randint(11, (2, 9))
compiled = torch.compile(gpt, backend="eager", fullgraph=True)
torch.testing.assert_close(compiled(tokens), gpt(tokens))
compiled(tokens).sum().backward()
"""


@pytest.mark.slow
def test_whoever_compiles_the_model_gets_operators():
    # by itself: torch.compile cannot read what slipcover has put into the code
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_transforms_of_torch_func_get_operators():
    torch.manual_seed(6)
    gpt, tokens = GPT(11, 9, 1, 2, 32), torch.randint(11, (3, 9))
    parameters = {name: p.detach() for name, p in gpt.named_parameters()}

    def loss(values, window):
        return torch.func.functional_call(gpt, values, (window[None],)).square().mean()

    each = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, tokens)
    for k, window in enumerate(tokens):
        gpt.zero_grad()
        gpt(window[None]).square().mean().backward()
        for name, parameter in gpt.named_parameters():
            torch.testing.assert_close(each[name][k], parameter.grad, rtol=1e-4, atol=1e-6)


def test_a_second_derivative_is_an_error_and_not_a_part_of_it():
    torch.manual_seed(7)
    gpt = GPT(11, 9, 1, 2, 32)
    parameters = list(gpt.parameters())
    loss = gpt(torch.randint(11, (2, 9))).square().mean()
    with pytest.raises(RuntimeError, match="has no derivative"):
        torch.autograd.grad(loss, parameters, create_graph=True)
