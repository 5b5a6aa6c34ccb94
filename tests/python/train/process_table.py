"""The processes that train, as the system knows them."""

from __future__ import annotations

from pathlib import Path

from dalign.train.launch import WORKER


def processes_below(pid: int) -> dict[int, list[str]]:
    """The processes that a process has started, and those that they have, with their commands."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            command = (path / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if parent == pid:
            found |= {int(path.name): command} | processes_below(int(path.name))
    return found


def rank_of(pid: int) -> int:
    environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return int(next(each for each in environment if each.startswith("RANK="))[5:])


def of_training(pid: int, module: str = WORKER) -> list[int]:
    """Those below a process that train, in their order."""
    below = processes_below(pid).items()
    return sorted((each for each, words in below if words[1:4] == ["-P", "-m", module]), key=rank_of)  # fmt: skip
