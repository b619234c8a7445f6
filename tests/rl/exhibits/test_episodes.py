"""The table of what stands behind scores, from runs made by hand."""

import pytest

from rl.exhibits.episodes import episode_table
from tests.suite.results.runs import grid_of, records_of_table
from tests.suite.run_files import finish, make_run


def evaluation(score, episodes, **others):
    figures = {"eval/return": score, "eval/episodes": episodes, "eval/return_median": score - 1}
    return {**figures, "train/return_last100": score - 2, "frames": 1, **others}


def finished(folder, scores, **recipe):
    run = make_run(folder, scores=scores, iterations=len(scores), **recipe)
    finish(run)
    return run


def only_line(run, last):
    (line,) = records_of_table(episode_table(grid_of([run], last)))
    return line


def test_episodes_are_those_that_the_score_is_the_mean_of(tmp_path):
    scores = [evaluation(*pair) for pair in ((9.0, 100), (4.0, 20), (5.0, 3))]
    line = only_line(finished(tmp_path, scores, game="Breakout"), last=2)
    assert (line["score"], line["episodes"], line["median"], line["last_100"]) == (4.5, 23, 4, 3)
    # an evaluation per 1,000 agent steps, four frames each
    assert (line["agent_steps"], line["frames"]) == (3000, 12_000)
    assert (line["random"], line["human"]) == (1.7, 30.5)


def test_frames_follow_the_frame_skip_and_training_stands_in(tmp_path):
    scores = [{"train/return": 2.0, "train/episodes": 7, "train/return_median": 1.5}]
    run = finished(tmp_path, scores, evaluation_steps=0, frame_skip=2)
    line = only_line(run, last=5)
    assert (line["frames"], line["score"], line["episodes"], line["median"]) == (2000, 2, 7, 1.5)


def test_a_run_that_kept_no_such_numbers_has_none(tmp_path):
    table = episode_table(grid_of([finished(tmp_path, [{"eval/return": 3.0}])], 5))
    (line,) = records_of_table(table)
    assert [line[key] for key in ("episodes", "median", "last_100")] == [None] * 3
    texts = [cell.lines[0] for cell in table.rows[0]]
    assert dict(zip(table.head, texts, strict=True))["episodes"] == "-"


@pytest.mark.parametrize("status", ["diverged", None])
def test_a_run_that_tables_do_not_count_has_no_line(tmp_path, status):
    run = make_run(tmp_path, scores=[evaluation(1.0, 1)])
    if status:
        finish(run, status)
    assert episode_table(grid_of([run], 5)) is None
