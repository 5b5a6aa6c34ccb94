"""README's first project on one's own model, as the commands of its section."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
# What each step is told by.
STEPS = ("init", "--dry-run", "--limit", "plan", "run", "show", "--tokens", "verify")


def first_project() -> list[list[str]]:
    """The words of each command of the section, behind `$ dalign`: one for each of `STEPS`."""
    section = README.read_text("utf-8").partition("## Your own model")[2]
    block = re.findall(r"```console\n(.*?)```", section, re.DOTALL)[0]
    commands = [line.partition(" #")[0].split()[2:] for line in block.splitlines()]
    told = [[step in words for step in STEPS] for words in commands]
    assert len(commands) == len(STEPS), f"README's first project has other steps than {STEPS}"
    assert all(each[number] for number, each in enumerate(told)), commands
    return commands
