"""The figures of a language model's run that tables and plots show. Imports no torch."""

from shared_optim.metric import Metric

VAL_LOSS = Metric("val/loss", "val", "validation loss, nats", 4, "lower")
FIT_LOSS = Metric("fit/loss", "fit", "loss on fixed windows of the training text, nats", 4, "lower")
TRAIN_LOSS = Metric("train/loss", "train", "training loss, nats", 4, "lower")
AVERAGED_LOSS = Metric(
    "val/loss_averaged", "val, mean", "validation loss of the mean of the weights, nats", 4, "lower"
)
WEIGHT_NORM = Metric("weights/norm", "norm", "2-norm of all weights", 2)
GRADIENT_NORM = Metric(
    "train/gradient_norm", "gradient", "2-norm of the gradient before clipping", 3
)
RATE_OVER_NORM = Metric("optim/rate_over_norm", "alpha/|w|", "alpha / |w|", 6)
RATE_OVER_SQUARE = Metric("optim/rate_over_square", "alpha/|w|^2", "alpha / |w|^2", 8)
