"""A large import without the garbage collector."""

import gc

import pytest

from workload.importing import large_import


def test_the_collector_rests_until_the_import_has_ended_however_it_ends():
    assert gc.isenabled()
    with large_import():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), large_import():
        import no_such_module  # noqa: F401
    assert gc.isenabled()


def test_a_collector_that_somebody_has_switched_off_stays_off():
    gc.disable()
    try:
        with large_import():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
