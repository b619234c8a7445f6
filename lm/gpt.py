"""GPT-2's shape as nanoGPT trains it: norms before the layers, no biases, tied embeddings."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from workload.attention import native_attention

DEVIATION = 0.02
"""Of the initial weights."""


class Attention(nn.Module):
    """Causal self-attention.

    Args:
        width: of the input and the output.
        heads: that share it.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_attn = nn.Linear(width, 3 * width, bias=False)
        self.c_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        joined = self.c_attn(x)
        if attend := native_attention(x, self.heads, x.shape[1], joined.dtype):
            y = attend(joined, words=1)
        else:
            by_head = *x.shape[:2], self.heads, x.shape[2] // self.heads
            q, k, v = (part.view(by_head).transpose(1, 2) for part in joined.chunk(3, 2))
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            y = y.transpose(1, 2).reshape(x.shape)
        projected: Tensor = self.c_proj(y)
        return projected


class Block(nn.Module):
    """x + attention(norm(x)), then y + mlp(norm(y)), whose hidden layer is four times as wide."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, bias=False)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width, bias=False)
        self.c_fc = nn.Linear(width, 4 * width, bias=False)
        self.c_proj = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        hidden = functional.gelu(self.c_fc(self.ln_2(x)))
        result: Tensor = x + self.c_proj(hidden)
        return result


class GPT(nn.Module):
    """A language model: 124.37M parameters with 12 layers, 12 heads, width 768, context 1,024 and
    50,304 tokens.

    Weights are drawn from a normal distribution of deviation .02, those of the projections back
    into the residual stream of .02 / sqrt(2 * layers); the gains of LayerNorm are 1. GELU is exact.
    The input's embedding is the output's matrix.

    Args:
        vocabulary: different tokens.
        context: most tokens of a window, each place with an embedding of its own.
        layers, heads, width: of the transformer.

    Sources: Radford et al., "Language models are unsupervised multitask learners", 2019; Karpathy's
    nanoGPT, model.py.
    """

    def __init__(self, vocabulary: int, context: int, layers: int, heads: int, width: int) -> None:
        super().__init__()
        self.wte = nn.Embedding(vocabulary, width)
        self.wpe = nn.Embedding(context, width)
        self.h = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width, bias=False)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if parameter.ndim > 1:
                    back = name.endswith("c_proj.weight")
                    parameter.normal_(std=DEVIATION / math.sqrt(2 * layers) if back else DEVIATION)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token after each, [B, T, vocabulary], of tokens int64 [B, T]."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.wte(tokens) + self.wpe(places)
        for block in self.h:
            x = block(x)
        return functional.linear(self.ln_f(x), self.wte.weight)
