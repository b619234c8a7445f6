import numpy as np
import torch

from workload.inbox import Inbox

FIELDS = {"flags": ((3,), np.bool_), "numbers": ((2, 3), np.float64), "bytes": ((5,), np.uint8)}


def test_the_device_reads_what_the_host_wrote():
    inbox = Inbox(FIELDS, torch.device("cpu"))
    places = {name: tensor.data_ptr() for name, tensor in inbox.tensors.items()}
    for value in (1, 0):
        inbox.open()
        inbox.host["flags"][:] = [True, value, False]
        inbox.host["numbers"][:] = value + np.arange(6).reshape(2, 3) / 7
        inbox.host["bytes"][:] = 250 + value
        inbox.send()
        assert inbox.tensors["flags"].tolist() == [True, bool(value), False]
        assert inbox.tensors["bytes"].tolist() == [250 + value] * 5
        np.testing.assert_array_equal(inbox.tensors["numbers"], inbox.host["numbers"])
    assert {name: tensor.data_ptr() for name, tensor in inbox.tensors.items()} == places


def test_fields_of_any_size_are_aligned():
    for tensor in Inbox(FIELDS, torch.device("cpu")).tensors.values():
        assert tensor.storage_offset() * tensor.element_size() % 16 == 0
