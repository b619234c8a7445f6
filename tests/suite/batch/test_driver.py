"""From jobs to finished runs, with a pool whose jobs end as a test says."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from suite.batch import driver
from suite.batch.capacity import Capacity
from suite.batch.driver import Driver, Retries
from suite.batch.packing import pack
from suite.batch.work import HOPELESS, LOST, Ending, calling, work
from suite.runs.stop import StopRequest
from suite.runs.train_job import record_failure
from tests.suite.batch.grids import SMALL, grid_of
from tests.suite.run_files import finish
from workload.errors import UserError
from workload.resources import FreeMemory

ONE = Capacity(jobs=1, cpus=1, gpus=0.0, memory=FreeMemory(10**12, 0))


class ScriptedPool:
    """Ends jobs in the order they were started: `script(job, how often it was tried)`.

    Attributes:
        started: the seeds of every job started, in order.
        most: jobs that ran at once.
    """

    def __init__(self, script):
        self.script, self.started, self.stopped = script, [], False
        self.running, self.most = [], 0

    def start(self, job):
        self.started.append([member.seed for member in job.members])
        self.running.append(job)
        self.most = max(self.most, len(self.running))

    def ended(self, seconds):
        if not self.running:
            return []
        job = self.running.pop(0)
        return [(job, self.script(job, self.started.count([m.seed for m in job.members])))]

    def stop(self):
        self.stopped = True

    def close(self):
        pass


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(driver, "LATER", 0.0)
    monkeypatch.setattr(driver, "WAIT", 0.0)


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when a test says so."""
    clock = SimpleNamespace(now=0.0)
    time = SimpleNamespace(monotonic=lambda: clock.now, sleep=lambda seconds: None)
    monkeypatch.setattr(driver, "time", time)
    return clock


@pytest.fixture
def jobs():
    """A population of the seeds 0 and 1."""
    grid = grid_of(SMALL + "exclude: [{game: Pong}, {scheme: l2}]\n")
    return pack(grid.runs, ONE, Path("runs"))


def through(job, times=1):
    for run in job.runs:
        run.create()
        finish(run)
    return Ending(0)


def fail(job, error):
    for run in job.runs:
        run.create()
    record_failure(job.runs, error)
    return Ending(1)


def drive(jobs, script, *, at_once=1, retries=None, stop=None):
    pool = ScriptedPool(script)
    retries, stop = retries or Retries(), stop or StopRequest()
    code = Driver(pool, at_once, retries, stop, tick=lambda: None).train(jobs)
    return code, pool


def failures(jobs):
    return [run.failure() for job in jobs for run in job.runs]


def test_every_job_is_trained_once_and_no_more_at_once_than_allowed():
    grid = grid_of(SMALL)
    jobs = pack(grid.runs, Capacity(12, 1, 0.0, FreeMemory(10**12, 0)), Path("runs"))
    code, pool = drive(jobs, through, at_once=3)
    assert (code, len(pool.started), pool.most) == (0, 12, 3)
    assert all(run.run.done() for run in grid.runs)


def test_a_lost_process_is_replaced_and_what_it_had_finished_is_not_trained_again(jobs):
    def script(job, times):
        if len(job.members) > 1:
            through(job.of(job.runs[:1]))
            return Ending(LOST, "WorkerCrashedError")
        return through(job)

    code, pool = drive(jobs, script)
    assert (code, pool.started) == (0, [[0, 1], [1]])
    assert failures(jobs) == [None, None]


def test_a_process_lost_more_often_than_allowed_is_a_failure_of_its_runs(jobs):
    code, pool = drive(jobs, lambda job, times: Ending(LOST, "gone"), retries=Retries(most=2))
    assert (code, len(pool.started)) == (0, 3)
    assert failures(jobs) == ["LostError: its process was lost again and again; gone"] * 2


def test_a_failure_is_kept_and_not_tried_again_unless_it_was_chosen(jobs):
    def script(job, times):
        return fail(job, MemoryError("full")) if times == 1 else through(job)

    _, pool = drive(jobs, script, retries=Retries(errors=("OSError",)))
    assert (len(pool.started), failures(jobs)) == (1, ["MemoryError: full"] * 2)
    _, pool = drive(jobs, script, retries=Retries(errors=("MemoryError",)))
    assert len(pool.started) == 2
    assert all(run.done() for job in jobs for run in job.runs)


def test_a_chosen_failure_is_tried_as_often_as_allowed(jobs):
    script = lambda job, times: fail(job, MemoryError("full"))  # noqa: E731
    _, pool = drive(jobs, script, retries=Retries(most=2, errors=("MemoryError",)))
    assert len(pool.started) == 3


def test_of_a_population_that_is_refused_only_the_run_to_blame_fails(jobs):
    def script(job, times):
        return Ending(2, "damaged") if 0 in [m.seed for m in job.members] else through(job)

    _, pool = drive(jobs, script)
    assert pool.started == [[0, 1], [0], [1]]
    assert failures(jobs) == ["UserError: damaged", None]


def test_a_directory_that_cannot_be_written_to_fails_alone_and_the_others_stay_together(
    monkeypatch,
):
    """Whether it can is asked of the system; as root everything can, so it is said here."""
    grid = grid_of(SMALL.replace("seed: [0, 1]", "seed: [0, 1, 2]"))
    own = [run for run in grid.runs if run.member.scheme == "none" and run.recipe.game == "Pong"]
    jobs = pack(own, ONE, Path("runs"))
    foreign = own[1].run.path
    foreign.mkdir(parents=True)
    write = driver.record_failure
    monkeypatch.setattr(driver, "writable", lambda path: path != foreign)

    def refuse(runs, error):
        if foreign in [run.path for run in runs]:
            raise PermissionError(13, "Permission denied", str(foreign / "failed.json"))
        write(runs, error)

    monkeypatch.setattr(driver, "record_failure", refuse)
    pool = ScriptedPool(lambda job, times: through(job))
    trained = Driver(pool, 1, Retries(), StopRequest(), tick=lambda: None)
    assert trained.train(jobs) == 0
    assert pool.started == [[0, 2]]
    (reason,) = trained.refused.values()
    assert reason.startswith(f"{foreign.absolute()} cannot be written to; it belongs to ")
    assert [bool(run.run.done()) for run in own] == [True, False, True]


def test_an_error_of_the_drivers_own_lets_its_jobs_save_first(jobs):
    pool = ScriptedPool(lambda job, times: Ending(143))

    def tick():
        raise RuntimeError("the display is broken")

    with pytest.raises(RuntimeError, match="display"):
        Driver(pool, 1, Retries(), StopRequest(), tick).train(jobs)
    assert (pool.stopped, pool.running) == (True, [])


def test_runs_that_another_process_holds_are_waited_for(jobs):
    def script(job, times):
        if times == 1:  # held by somebody: the job ends at once, with nothing done
            return Ending(0)
        return through(job)

    _, pool = drive(jobs, script)
    assert pool.started == [[0, 1], [0], [1], [0], [1]]


def test_runs_that_another_process_goes_on_holding_are_left_to_it(jobs, clock):
    def script(job, times):
        clock.now += 1.0
        return Ending(0)

    code, pool = drive(jobs, script)
    assert code == 0
    assert driver.PATIENCE <= clock.now <= driver.PATIENCE + 3
    assert {tuple(seeds) for seeds in pool.started} == {(0, 1), (0,), (1,)}


def test_held_runs_are_tried_again_as_long_as_own_jobs_train(clock):
    grid = grid_of(SMALL + "exclude: [{game: Pong}, {scheme: l2}]\n")
    first, second = pack(grid.runs, Capacity(2, 1, 0.0, FreeMemory(10**12, 0)), Path("runs"))

    def script(job, times):
        if job.members == first.members and times < 3:
            return Ending(0)
        clock.now += 2 * driver.PATIENCE
        return through(job)

    drive([first, second], script)
    assert all(run.run.done() for run in grid.runs)


def test_runs_that_another_process_finishes_are_not_trained_again(jobs):
    def script(job, times):
        if len(job.members) > 1:
            through(job)  # by somebody else, while this job found the locks held
        return Ending(0)

    _, pool = drive(jobs, script)
    assert pool.started == [[0, 1]]


def test_what_no_job_can_get_past_ends_the_batch_and_is_no_failure_of_a_run():
    grid = grid_of(SMALL)
    jobs = pack(grid.runs, Capacity(12, 1, 0.0, FreeMemory(10**12, 0)), Path("runs"))
    pool = ScriptedPool(lambda job, times: Ending(HOPELESS, "no space is left"))
    with pytest.raises(UserError, match="no space is left"):
        Driver(pool, 2, Retries(), StopRequest(), tick=lambda: None).train(jobs)
    assert (pool.stopped, pool.running, len(pool.started)) == (True, [], 2)
    assert failures(jobs) == [None] * 12


@pytest.mark.parametrize("record", ["config.json", "done.json"])
def test_a_damaged_record_of_one_run_keeps_no_other_from_training(jobs, record, training):
    training()
    damaged, other = jobs[0].runs
    damaged.create()
    (damaged.path / record).write_text("{")
    display = lambda title: calling(lambda: None)  # noqa: E731
    drive(jobs, lambda job, times: work(job, [], StopRequest(), display))
    assert (damaged.path / record).read_text() == "{"
    assert other.done()


def test_a_wish_to_stop_reaches_the_pool_and_starts_nothing_more():
    stop = StopRequest()
    grid = grid_of(SMALL)
    jobs = pack(grid.runs, Capacity(12, 1, 0.0, FreeMemory(10**12, 0)), Path("runs"))

    def script(job, times):
        stop._handle(15, None)
        return Ending(143)

    code, pool = drive(jobs, script, at_once=2, stop=stop)
    assert (code, pool.stopped, len(pool.started)) == (143, True, 2)
    assert failures(jobs) == [None] * 12
