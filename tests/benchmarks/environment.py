"""Stepping 8 environments against emulating the same frames and nothing else.

    python -m tests.benchmarks.environment [GAME ...]

The reference is `ALEInterface.act`, four times per action, without reading the screen. CPU time of
all threads counts. Without arguments: the eight games of Table 1.
"""

import itertools
import statistics
import sys

import ale_py
import numpy as np
from ale_py import ALEInterface, roms

from rl.atari import AtariEnvironments, rom_id
from rl.config import PAPER_GAMES, Recipe
from tests.benchmarks.timing import Comparison, compare, hardware, table

MEMBERS = 8
BAR = 1.45
WARM_UP = 200  # steps: past the games' opening screens


def emulator(recipe: Recipe, seed: int) -> ALEInterface:
    result = ALEInterface()
    result.setFloat("repeat_action_probability", recipe.sticky_actions)
    result.setInt("random_seed", seed)
    path = roms.get_rom_path(rom_id(recipe.game))
    assert path is not None
    result.loadROM(path)
    result.reset_game()
    return result


def stepping(game: str) -> Comparison:
    recipe = Recipe(game=game)
    environments = AtariEnvironments(recipe, MEMBERS)
    environments.reset(range(MEMBERS))
    emulators = [emulator(recipe, seed) for seed in range(MEMBERS)]
    codes = emulators[0].getMinimalActionSet()
    drawn = np.random.default_rng(0).integers(environments.actions, size=(1_000, MEMBERS))
    ours, raw = itertools.cycle(drawn), itertools.cycle(drawn.tolist())

    def step() -> None:
        environments.step(next(ours))

    def emulate() -> None:
        for one, action in zip(emulators, next(raw), strict=True):
            code = codes[action]
            for _ in range(recipe.frame_skip):
                one.act(code)
            if one.game_over():
                one.reset_game()

    for _ in range(WARM_UP):
        step()
        emulate()
    comparison = compare(f"{game}, {MEMBERS} environments", step, emulate, at_most=BAR)
    environments.close()
    return comparison


def main() -> None:
    ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    comparisons = [stepping(game) for game in sys.argv[1:] or PAPER_GAMES]
    print(hardware())
    print(table(comparisons))
    print(f"median ratio {statistics.median(c.ratio for c in comparisons):.2f}, bar <= {BAR}")


if __name__ == "__main__":
    main()
