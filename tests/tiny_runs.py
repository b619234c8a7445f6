"""Runs of seconds, one per workload, for tests of what kills and damage do to any of them."""

COMMON = ("--device=cpu", "--scheme=l2", "--weight-decay=1e-3", "--runs=runs")
COMMANDS = {
    "rl": (
        *("--game=Pong", "--iterations=2", "--training-steps=96", "--evaluation-steps=24"),
        *("--warm-up=32", "--epsilon-steps=64", "--replay-capacity=90", "--padding=valid"),
        *("--log-every=8", "--max-episode-steps=24", "--target-every=16", "--batch-size=2"),
        *("--checkpoint-every=16", "--keep-checkpoints=best"),
    ),
    "nlp": (
        *("--data=sentences", "--bpe=60", "--joined=true", "--epochs=2", "--width=16", "--heads=2"),
        *("--feed-forward=16", "--layers=1", "--max-tokens=600", "--warm-up=10", "--beam=1"),
        *("--log-every=2", "--checkpoint-every=4"),
    ),
    "vision": (
        *("--preset=shapes-tiny", "--subset=400", "--width=4", "--epochs=2"),
        *("--learning-rate-schedule=constant", "--log-every=2", "--checkpoint-every=2"),
        *("--keep-every=1",),
    ),
    "lm": (
        *("--preset=grammar-tiny", "--rounds=2", "--updates-per-round=12", "--layers=1"),
        *("--width=16", "--context=16", "--warm-up=4", "--batch-size=4", "--log-every=2"),
        *("--evaluation-windows=8", "--checkpoint-every=4", "--keep-every=1"),
    ),
}


def command(workload: str, *more: str) -> list[str]:
    """The words behind `wdbench`; `more` flags stand above what is given before."""
    return ["run", workload, *COMMANDS[workload], *COMMON, *more]


def small_chunks(patch) -> None:
    """Have agents look up from playing every 8 steps, whatever time that takes."""
    patch.setattr("rl.training.CHUNK", 8)
    patch.setattr("rl.training.CHUNK_SECONDS", float("inf"))
