"""The figures of a translation run that tables and plots show. Imports no torch."""

from shared_optim.metric import Metric

LOSS = Metric("train/loss", "loss", "label-smoothed loss, bits per token", 3, "lower")
VALID_BLEU = Metric("valid/bleu", "valid", "BLEU, tokenised", 2, "higher")
BLEU = Metric("test/bleu", "BLEU", "BLEU, tokenised", 2, "higher")
CHRF = Metric("test/chrf", "chrF", "chrF", 2, "higher")
TER = Metric("test/ter", "TER", "TER, edits per 100 words", 2, "lower")
BLEU_13A = Metric("test/bleu_13a", "13a", "BLEU, 13a", 2, "higher")
