"""Film a trained agent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from rl.environment import Picture, make_camera, make_environments
from rl.exploration import epsilon_greedy
from rl.random_streams import Purpose, Uniforms, environment_seed
from rl.trained_agent import TrainedAgent
from workload.errors import UserError
from workload.files import write_whole


@dataclass(frozen=True)
class Film:
    """What was filmed: `score` is the game's points over `steps` agent steps."""

    path: Path
    score: float
    steps: int
    ended: bool


def record_episode(
    agent: TrainedAgent,
    out: Path,
    seed: int = 0,
    seconds: float = 60.0,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Film:
    """Play one episode at the evaluation epsilon, into a GIF or an MP4.

    The agent plays in the training's environment; a second one as people see it, with the same
    seed and the same actions, is the camera.

    Args:
        agent: who plays.
        out: the file to write; its suffix says which of the two.
        seed: of the episode; each seed plays another one.
        seconds: of game time after which the film ends.
        progress: told the stage, and how much of it is done of how much at most.

    Raises:
        UserError: an MP4 is asked for and PyAV is not installed, or the game cannot be drawn here;
            before anything is played.
    """
    write = WRITERS[out.suffix.lower()]
    if write is _write_mp4:
        _require_av()
    recipe = agent.recipe
    stage, camera = make_environments(recipe, 1), make_camera(recipe)
    episode_seed = environment_seed(seed, 0, 1)
    observation, picture = stage.reset([episode_seed]), camera.reset(episode_seed)
    uniforms = Uniforms([seed], Purpose.EXPLORATION, (0, 1), 2)
    epsilon, active = np.array([recipe.evaluation_epsilon]), np.array([True])
    pictures: list[Picture] = []
    score, ended, steps = 0.0, False, 0
    longest = min(int(seconds * camera.per_second), recipe.max_episode_steps)
    while not ended and steps < longest:
        pictures.append(picture)
        action = epsilon_greedy(
            uniforms.row(steps),
            epsilon,
            active,
            stage.actions,
            lambda _: agent.greedy(observation),  # noqa: B023
        )
        step = stage.step(action)
        observation, picture = step.observation, camera.step(int(action[0]))
        score, ended, steps = score + float(step.reward[0]), bool(step.ended[0]), steps + 1
        progress("played: agent steps", steps, longest)
    stage.close()
    camera.close()
    progress("writing: pictures", 0, len(pictures))
    write(out, pictures, camera.per_second)
    return Film(out, score, steps, ended)


def _write_gif(out: Path, pictures: Sequence[Picture], per_second: Fraction) -> None:
    milliseconds = 10 * round(100 / per_second)  # GIF counts hundredths
    first, *others = (Image.fromarray(picture).quantize(64) for picture in pictures)
    write_whole(
        out,
        lambda stream: first.save(
            stream,
            format="GIF",
            save_all=True,
            append_images=others,
            duration=milliseconds,
            loop=0,
            optimize=True,
        ),
    )


def _write_mp4(out: Path, pictures: Sequence[Picture], per_second: Fraction) -> None:
    """H.264, each pixel drawn as four: halved colour planes then lose none."""
    import av

    def encode(stream: object) -> None:
        with av.open(stream, "w", format="mp4") as container:
            video = container.add_stream("libx264", rate=per_second, options={"crf": "18"})
            height, width, _ = pictures[0].shape
            video.height, video.width, video.pix_fmt = 2 * height, 2 * width, "yuv420p"
            for picture in pictures:
                frame = av.VideoFrame.from_ndarray(picture.repeat(2, 0).repeat(2, 1), "rgb24")
                container.mux(video.encode(frame))
            container.mux(video.encode())

    write_whole(out, encode)


def _require_av() -> None:
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise UserError(
            "--out: an MP4 needs PyAV: `pip install av`; a name that ends in .gif does not"
        ) from error


WRITERS = {".gif": _write_gif, ".mp4": _write_mp4}
