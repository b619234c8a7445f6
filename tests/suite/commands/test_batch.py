"""The command `batch` with scripted training, in this process and without Ray."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from rl.workload import WORKLOAD as RL
from suite.__main__ import main
from suite.batch import ray_pool
from suite.batch.capacity import Node
from suite.commands import batch
from tests.suite.batch.grids import SMALL, write_grid
from tests.suite.run_files import record, run_paths
from workload.wording import amount

ONE = ["batch", "grid.yaml", "--jobs", "1", "--device", "cpu"]
RUNS = 12
EMBEDDED = ray_pool.embedded


@pytest.fixture(autouse=True)
def without_ray(monkeypatch):
    """This machine has room, and nothing here may start Ray."""
    monkeypatch.setattr(batch, "this_machine", lambda: Node(10**12, 2, ()))
    monkeypatch.setattr(RL, "check", lambda recipe, machine, runs: None)
    monkeypatch.setattr(ray_pool, "embedded", lambda capacity: pytest.fail("Ray was started"))


def test_one_job_trains_the_whole_grid_without_ray_and_leaves_finished_runs(training, capsys):
    fake = training()
    write_grid(SMALL)
    assert main(ONE) == 0
    assert sum(map(len, fake.calls)) == RUNS
    assert {record(path, "done.json")["status"] for path in run_paths()} == {"finished"}
    assert not [path for path in run_paths() if (path / "progress.json").exists()]
    out = capsys.readouterr().out
    assert "grid.yaml: 12 of 12 done" in out
    assert "l2-1e-3  2/2 -18.5  2/2 -18.5" in out


def test_lightning_run_batch_is_the_same_command(training):
    fake = training()
    write_grid(SMALL)
    assert main(["run", *ONE], name="lightning") == 0
    assert sum(map(len, fake.calls)) == RUNS


def test_a_grid_run_again_trains_nothing_and_a_larger_one_only_what_is_new(training):
    fake = training()
    write_grid(SMALL)
    assert main(ONE) == 0
    fake.calls.clear()
    assert main(ONE) == 0
    assert fake.calls == []
    write_grid(SMALL.replace("seed: [0, 1]", "seed: [0, 1, 2]"))
    assert main(ONE) == 0
    assert [member.seed for call in fake.calls for member, _ in call] == [2] * 6


def test_what_a_kill_left_of_a_finished_run_is_deleted(training):
    training()
    write_grid(SMALL)
    main(ONE)
    for path in run_paths():
        (path / "replay").mkdir()
    assert main(ONE) == 0
    assert not [path for path in run_paths() if (path / "replay").exists()]


def test_failures_are_kept_and_retried_on_request_alone(training, capsys):
    write_grid(SMALL)
    training(error=ValueError("no"))
    assert main(ONE) == 1
    assert record(run_paths()[0], "failed.json")["error"] == "ValueError: no"
    fake = training()
    assert main(ONE) == 1
    assert fake.calls == []
    assert "--retry-failed" in capsys.readouterr().out
    assert main([*ONE, "--retry-failed"]) == 0
    sessions = record(run_paths()[0], "meta.json")["sessions"]
    assert [session.get("error") for session in sessions] == ["ValueError: no", None]


def test_a_dry_run_makes_nothing(training, capsys):
    fake = training()
    write_grid(SMALL)
    before = set(run_paths())
    assert main([*ONE, "--dry-run"]) == 0
    assert (set(run_paths()), fake.calls) == (before, [])
    out = capsys.readouterr().out
    assert "grid.yaml: 0 of 12 done, 12 waiting" in out
    assert "Breakout     6     1                 6" in out
    assert "the replay takes 6 x 20,000 transitions" in out
    assert "roughly" in out


@pytest.mark.slow
def test_a_dry_run_and_a_status_import_neither_torch_nor_ray(tmp_path):
    (tmp_path / "grid.yaml").write_text(SMALL)
    check = (
        "import sys; from suite.__main__ import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "assert not {'torch', 'ray', 'lightning'} & set(sys.modules)\n"
    )
    for argv in (["batch", "grid.yaml", "--dry-run"], ["status", "grid.yaml"]):
        subprocess.run([sys.executable, "-c", check, *argv], cwd=tmp_path, check=True)


@pytest.mark.slow
def test_ten_thousand_runs_are_expanded_and_packed_in_seconds(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    values = ", ".join(f"{0.9 + i / 1000:.3f}" for i in range(50))
    axes = SMALL.replace("seed: [0, 1]", f"seed: [{', '.join(map(str, range(34)))}]")
    write_grid(axes + f"  gamma: [{values}]\n")
    start = time.process_time()
    assert main([*ONE, "--dry-run"]) == 0
    assert "10200 waiting" in capsys.readouterr().out
    assert time.process_time() - start < 10  # the bar of 3 s is measured in tests/benchmarks


def test_several_jobs_without_ray_say_what_to_install(training, capsys, monkeypatch):
    training()
    write_grid(SMALL)
    monkeypatch.setattr(ray_pool, "embedded", EMBEDDED)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["batch", "grid.yaml", "--jobs", "2", "--device", "cpu"]) == 2
    assert "pip install 'wdbench[batch]'" in capsys.readouterr().err
    assert run_paths() == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--address", "nowhere"], "'nowhere' is neither auto nor HOST:PORT"),
        (["--address", "127.0.0.1:9"], "nobody answers at 127.0.0.1:9"),
        (["--jobs", "0"], "--jobs: 0 is below 1"),
        (["--gpus-per-job", "1"], "no machine has more than 0 GPUs"),
        (["--gpus-per-job", "1", "--device", "cpu"], "has no use with --device cpu"),
        (["--runs", "grid.yaml"], "grid.yaml is no directory that can be written to"),
        (["--jobs", "many"], "invalid int value: 'many'"),
        (["--gpus", "1"], "unrecognized arguments: --gpus 1"),
    ],
)
def test_bad_flags_are_one_sentence_and_leave_nothing(training, capsys, flags, message):
    training()
    write_grid(SMALL)
    assert main(["batch", "grid.yaml", *flags]) == 2
    assert message in capsys.readouterr().err
    assert run_paths() == []


@pytest.mark.parametrize(
    ("says", "message"), [(b"HTTP/1.0 400 Bad Request\r\n", "is not Ray"), (b"", "nobody answers")]
)
def test_an_address_where_something_else_listens(training, capsys, monkeypatch, says, message):
    training()
    write_grid(SMALL)
    monkeypatch.setattr(ray_pool, "ANSWER", 0.2)
    monkeypatch.setattr(ray_pool, "_import_ray", lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            peer = server.accept()[0]
            peer.sendall(says)
            time.sleep(0.4)
            peer.close()

        Thread(target=answer).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert main(["batch", "grid.yaml", "--address", address]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert address in error
    assert run_paths() == []


def test_an_address_where_http2_is_spoken_passes():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            peer = server.accept()[0]
            assert peer.recv(64).startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            for part in (b"\0\0", b"\0\4\0\0\0\0\0"):  # an empty frame of settings, RFC 9113
                peer.sendall(part)
                time.sleep(0.1)
            peer.close()

        Thread(target=answer).start()
        ray_pool._check_answer(f"127.0.0.1:{server.getsockname()[1]}")


def test_a_grid_that_trains_on_the_processor_takes_no_gpu(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batch, "this_machine", lambda: Node(10**12, 8, (80 * 10**9,) * 2))
    write_grid(SMALL)
    assert main(["batch", "grid.yaml", "--dry-run"]) == 0
    assert "2 jobs at once, each with 4 cores, 500 GB of memory, 1 GPU" in capsys.readouterr().out
    write_grid(SMALL.replace("base: {", "base: {device: cpu, "))
    assert main(["batch", "grid.yaml", "--dry-run"]) == 0
    assert "8 jobs at once, each with 1 core, 125 GB of memory, no GPU" in capsys.readouterr().out


def test_a_translation_on_more_devices_than_a_job_has_is_refused(training, capsys):
    write_grid("workload: nlp\npreset: grammar-tiny\nbase: {devices: 2}\naxes: {scheme: [none]}\n")
    training()
    assert main(["batch", "grid.yaml", "--jobs", "1", "--device", "cpu"]) == 2
    assert "a job has 1 core; give --cpus-per-job 2" in capsys.readouterr().err
    assert run_paths() == []


def test_a_dry_run_on_a_cluster_describes_the_cluster(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cluster = ray_pool.Cluster(None, [Node(10**12, 4, ()), Node(10**12, 8, ())], embedded=False)
    monkeypatch.setattr(ray_pool, "connect", lambda address: cluster)
    write_grid(SMALL)
    command_line = ["batch", "grid.yaml", "--device", "cpu", "--address", "10.0.0.1:6379"]
    assert main([*command_line, "--dry-run"]) == 0
    assert "the cluster at 10.0.0.1:6379: 12 jobs at once" in capsys.readouterr().out


def test_a_dry_run_says_what_has_to_be_prepared(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_grid("workload: nlp\npreset: multi30k-small\naxes: {scheme: [none], seed: [0, 1]}\n")
    assert main(["batch", "grid.yaml", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert out.count("run `wdbench prepare multi30k --bpe 5000 --joined` first") == 1


def test_a_grid_file_that_does_not_exist_is_named(capsys):
    assert main(["batch", "absent.yaml"]) == 2
    assert "grid file absent.yaml does not exist" in capsys.readouterr().err


def test_the_disk_is_checked_for_all_jobs_that_train_beside_each_other(
    training, monkeypatch, capsys
):
    """Each run takes its replay and two states; there is room for two."""
    training()
    each = RL.disk(RL.Recipe(replay_capacity=20_000), RL.Machine())
    assert each > 20_000 * 400
    monkeypatch.setattr("workload.resources.free_disk", lambda path: 2 * each)
    write_grid(SMALL)
    assert main(["batch", "grid.yaml", "--jobs", "4", "--device", "cpu"]) == 2
    told = capsys.readouterr().err
    assert "runs: 4 jobs at once take up to " in told
    assert "choose another --runs or fewer --jobs" in told
    assert not list(Path("runs").glob("*"))
    assert main(["batch", "grid.yaml", "--jobs", "4", "--device", "cpu", "--dry-run"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("disk: "))
    assert "for 4 jobs at once, " in line
    assert f"{amount(12 * each)} if every run kept" in line
    assert line.endswith(f"{amount(2 * each)} free")
