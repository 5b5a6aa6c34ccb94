"""Ctrl-C reaches what a test starts, whatever this process has inherited of it, and whatever a test before has left."""

from __future__ import annotations

import signal

import pytest


def pytest_configure() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would all that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def heard_ctrl_c() -> None:
    """A command that a test before has run in this process blocks it, to wait for it."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
