import os

from suite.runs.final import FILE, damaged, read_final, write_final


def test_what_the_record_vouches_for_is_on_the_disk_before_it_is(tmp_path, monkeypatch):
    """Else a power cut leaves a run that has ended with rows cut short."""
    (tmp_path / "weights").mkdir()
    names = ["config.json", "eval.jsonl", "metrics.jsonl", "test.hypotheses.txt", "weights/best.pt"]
    for name in names:
        (tmp_path / name).write_text(f"what {name} holds")
    on_the_disk, fsync = {}, os.fsync

    def noting(descriptor):
        fsync(descriptor)
        if not (tmp_path / FILE).exists():
            status = os.fstat(descriptor)
            on_the_disk[status.st_ino] = status.st_size

    monkeypatch.setattr(os, "fsync", noting)
    write_final(tmp_path, {"status": "finished"}, ("metrics.jsonl", "eval.jsonl", "absent.jsonl"))
    assert sorted(read_final(tmp_path)["sha256"]) == names
    for name in names:
        status = (tmp_path / name).stat()
        assert on_the_disk.get(status.st_ino) == status.st_size, name
    assert damaged(tmp_path) == []
