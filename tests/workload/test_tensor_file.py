"""A bit turned over in a file of weights is noticed, or changes nothing that is read."""

import pytest
import torch

from workload import tensor_file

CONTENT = {"weights": {"a": torch.arange(50.0), "b": torch.ones(3, 4)}, "epoch": 3}


@pytest.mark.parametrize("bit", [0, 5])
def test_no_bit_changes_what_is_read(tmp_path, bit):
    torch.save(CONTENT, tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    noticed = 0
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 1 << bit
        (tmp_path / "changed.pt").write_bytes(changed)
        try:
            found = tensor_file.load(tmp_path / "changed.pt")
        except Exception:
            noticed += 1
            continue
        assert found["epoch"] == 3
        assert all(torch.equal(found["weights"][n], w) for n, w in CONTENT["weights"].items())
    # what is between the parts to align them means nothing
    assert noticed > len(whole) / 7 / 4


def test_a_whole_file_is_read(tmp_path):
    torch.save(CONTENT, tmp_path / "whole.pt")
    assert torch.equal(tensor_file.load(tmp_path / "whole.pt")["weights"]["a"], torch.arange(50.0))
