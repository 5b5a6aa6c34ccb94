"""What several test files share: the command, called as a user calls it."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from dalign.cli import main

# Words of a command line to exit code, stdout and stderr.
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dalign(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Exit code, stdout and stderr of `dalign` with these words."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dalign", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run
