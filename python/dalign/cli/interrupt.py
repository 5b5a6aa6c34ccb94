"""Ctrl-C: answered by a thread of its own, since the main one may be in a library, or wait for a server."""

from __future__ import annotations

import _thread
import multiprocessing
import os
import signal
import threading

STOPPED = "stopped; the same command goes on from here"
CODE = 130
# What the work may take to put its files in order; a kill loses no more than the batch in flight.
GRACE_S = 1.0
_CTRL_C = {signal.SIGINT}


class Interrupts:
    """Sees the process's Ctrl-C from here on: the first stops the work and its workers, the second ends it at once.

    `came`: whether there was one; what goes wrong in the work from then on is no fault.
    """

    def __init__(self) -> None:
        self.came = False
        # A shell has a command in the background pay no heed to Ctrl-C.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            return
        # Threads that are started later inherit this, so that the signal is the watcher's alone: libraries
        # put handlers of their own in the place of Python's.
        signal.pthread_sigmask(signal.SIG_BLOCK, _CTRL_C)
        threading.Thread(target=self._watch, name="dalign-interrupts", daemon=True).start()

    def _watch(self) -> None:
        from dalign.cli.terminal import warn

        signal.sigwait(_CTRL_C)
        self.came = True
        warn(STOPPED)
        _end_workers()
        _thread.interrupt_main()
        signal.sigtimedwait(_CTRL_C, GRACE_S)
        _end_workers()
        os._exit(CODE)


def _end_workers() -> None:
    for worker in multiprocessing.active_children():
        worker.kill()
