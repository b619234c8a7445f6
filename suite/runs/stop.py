"""Ctrl-C, SIGTERM, SIGUSR1 and SIGHUP as a wish to stop, kept until training reaches a point to
resume from."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
"""Ctrl-C, a scheduler's end, the warning before it, a terminal that is closed."""
STOPPING = (
    "stopping: the state is saved first; a second Ctrl-C stops at once and "
    "loses what came since the last checkpoint"
)


class StopRequest:
    """Becomes true on the first of SIGNALS; a second SIGINT aborts at once.

    Attributes:
        at_once: a second SIGINT came. Code that it interrupts may raise anything in place of
            the KeyboardInterrupt, as torch.save does.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.at_once = False

    def __call__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, 130 after SIGINT, 143 after SIGTERM: what shells and job
        schedulers expect."""
        return 128 + (self.signal or signal.SIGINT)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            self.at_once = True
            raise KeyboardInterrupt
        if self.signal is None:
            self.signal = signal.Signals(number)
            with suppress(OSError, RuntimeError, ValueError):  # gone, amid a print, closed
                print(STOPPING, file=sys.stderr, flush=True)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Handle the signals while the block runs, then put the former handlers back. One that is
    ignored stays so: nohup lets a process outlive its terminal."""
    request = StopRequest()
    former = {
        number: signal.signal(number, request._handle)
        for number in SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield request
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
