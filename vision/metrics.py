"""The figures of a vision run that tables and plots show. Imports no torch."""

from shared_optim.metric import Metric

TEST_ACCURACY = Metric("test/accuracy", "test", "test accuracy, %", 2, "higher")
TRAIN_LOSS = Metric("train/loss", "train loss", "mean training loss of an epoch, nats", 4)
TRAIN_ACCURACY = Metric("train/accuracy", "train", "training accuracy, %", 2, "higher")
FIT_ACCURACY = Metric("fit/accuracy", "fit", "accuracy on training images as they are, %", 2)
AVERAGED_ACCURACY = Metric(
    "test/accuracy_averaged",
    "test, mean",
    "test accuracy of the mean of the weights, %",
    2,
    "higher",
)

WEIGHT_NORM = Metric("weights/norm", "norm", "2-norm of all weights", 2)
DISTANCE = Metric("weights/distance", "distance", "distance from the initial weights", 2)
GRADIENT_NORM = Metric("optim/gradient_norm", "gradient", "2-norm of the gradient", 3)

SQUARE = Metric("growth/square", "square", "square terms of an epoch's steps", 3)
CROSS = Metric("growth/cross", "cross", "cross terms of an epoch's steps", 3)
RAW_SQUARE = Metric("growth/raw_square", "raw square", "alpha^2 |g|^2 over an epoch", 3)
RAW_CROSS = Metric("growth/raw_cross", "raw cross", "-2 alpha <g, w> over an epoch", 3)
COS_POS = Metric("optim/cos_weight_pos", "cos pos", "cos(w, -grad l_pos)", 3)
COS_NEG = Metric("optim/cos_weight_neg", "cos neg", "cos(w, -grad l_neg)", 3)
TOP_EIGENVALUE = Metric("sharpness/top", "top", "largest eigenvalue of the Hessian", 2)
TRACE = Metric("sharpness/trace", "trace", "trace of the Hessian", 1)
NOISE_DIFFERENCE = Metric(
    "sharpness/multiplicative_difference", "S - L", "S(.1) - L, multiplicative noise", 3
)
ALONG = (NOISE_DIFFERENCE, TOP_EIGENVALUE, TRACE)
"""Of looks at sharpness during training."""
