import pytest

from tests.real_data import real


@pytest.fixture(scope="session")
def cifar10_lossless():
    """A folder with 9,085 images of CIFAR-10 as npz files."""
    return real("cifar10_lossless")
