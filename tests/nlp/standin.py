"""In place of CUDA graphs where there is no GPU: what was captured is called again."""

import torch

from nlp.module import TranslationModule


class CalledAgain:
    """`nlp.graphs.GraphPool` on a CPU: a capture does nothing but remember what to call.

    `captured` counts the captures, `replayed` the replays.
    """

    def __init__(self, device):
        assert device.type == "cpu"
        self.captured = self.replayed = 0
        self._capturing = False

    def call(self, function):
        assert not self._capturing
        function()

    def capture(self, function):
        self.captured += 1

        def replay():
            self.replayed += 1
            function()

        return replay


def with_programs(monkeypatch, graphs=CalledAgain):
    """Let `use_graphs` work on a CPU; dropout is seeded as ever."""
    monkeypatch.setattr("nlp.module.GraphPool", graphs)
    monkeypatch.setattr(TranslationModule, "_no_graphs", lambda self: "")


def poison(programs):
    """Spoil whatever the next batch must write anew."""
    programs._words.fill_(-(2**60))
    programs._numbers.fill_(torch.nan)
    for slot in programs._slots:
        slot.words.fill_(-(2**60))
        slot.numbers.fill_(torch.nan)
