import os

# Before torch is imported, and for the programs that tests start: on cores that have other work as
# well, threads that wait for each other take a test of 11 seconds to 220.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fast",
        action="store_true",
        help="no test marked slow, and of each with parameters the first case alone",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("fast"):
        first: dict[str, pytest.Item] = {}
        for item in items:
            if not item.get_closest_marker("slow"):
                first.setdefault(item.nodeid.partition("[")[0], item)
        config.hook.pytest_deselected(items=[*{*items} - {*first.values()}])
        items[:] = first.values()
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a GPU"))


@pytest.fixture
def compiler() -> None:
    """Skips where there is no C compiler."""
    from shared_optim.compiler import CompileError, c_function

    try:
        c_function("void run(void) {}", 0)
    except CompileError as error:
        pytest.skip(str(error))
