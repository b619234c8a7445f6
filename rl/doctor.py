"""What this machine has for playing and learning games."""

from collections.abc import Iterator

from rl.config import GYMNASIUM, PAPER_GAMES
from rl.memory import raw_replay_bytes, replay_bytes
from workload import resources
from workload.errors import ConfigError
from workload.findings import Finding, importable
from workload.wording import amount

EXAMPLES = ("CartPole-v1", "Acrobot-v1", "MountainCar-v0")
"""Environments that gymnasium makes without further packages."""


def findings() -> Iterator[Finding]:
    packages = list(importable(("gymnasium", "ale_py", "zstandard")))
    yield from packages
    yield replay()
    if not any(finding.mark == "missing" for finding in packages):
        yield from games()
        yield others()


def replay() -> Finding:
    """How many members' replays of the paper's size fit the memory that is free."""
    million, raw = replay_bytes(1, 1_000_000), raw_replay_bytes(1, 1_000_000)
    gpu = resources.cuda_memory()
    fits = max(resources.free_memory() // million, gpu[0] // raw if gpu else 0)
    text = (
        f"1,000,000 transitions take up to {amount(million)} per member on a CPU, {amount(raw)} "
        f"on a GPU; {fits} members fit"
    )
    return Finding("ok" if fits else "note", "replay", text)


def others() -> Finding:
    """Whether environments of gymnasium can be made."""
    from rl.gymnasium_environments import spec_of

    text = f"{GYMNASIUM}ID is any with images or vectors and Discrete actions, as "
    try:
        for name in EXAMPLES:
            spec_of(name)
    except ConfigError as error:
        return Finding("note", "other games", str(error))
    return Finding("ok", "other games", text + " ".join(EXAMPLES))


def games() -> Iterator[Finding]:
    from rl.atari import ROM_ADVICE, game_names, has_rom

    names = [game for game in game_names() if has_rom(game)]
    text = f"{len(names)} of {len(game_names())} have ROMs: {' '.join(names)}"
    yield Finding("ok" if names else "missing", "games", text)
    absent = [game for game in PAPER_GAMES if game not in names]
    text = (
        f"ROM missing or damaged: {' '.join(absent)}; {ROM_ADVICE}"
        if absent
        else f"all have ROMs: {' '.join(PAPER_GAMES)}"
    )
    yield Finding("note" if absent else "ok", "the paper's 8", text)
