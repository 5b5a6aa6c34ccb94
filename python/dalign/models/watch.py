"""A program that ends with another one: `python watch.py FD COMMAND …`. Run by itself; nothing of dalign is imported.

FD is the reading end of a pipe whose writing end the other program alone holds. Once that is closed, by whatever end of
the program, the command's whole process group is asked to end, and made to, after a grace, where it does not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

GRACE_S = 10.0


def main() -> None:
    """Exits with the command's code where that ends first."""
    pipe, command = int(sys.argv[1]), sys.argv[2:]
    # This process was begun as the leader of a group of its own, and the command with all that it starts belongs to it.
    # What else was handed to this process is the command's; the pipe is not.
    os.set_inheritable(pipe, False)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def await_other() -> None:
        os.read(pipe, 1)
        os.killpg(0, signal.SIGTERM)
        time.sleep(GRACE_S)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=await_other, daemon=True).start()
    code = child.wait()
    # What the command has started, and left.
    os.killpg(0, signal.SIGTERM)
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
