"""What several test files share: the command, called as a user calls it, and the sandbox's project."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dalign.cli import main
from dalign.sandbox.project import write_project
from dalign.sandbox.settings import SMOKE_SIZES, smoke_values
from dalign.settings import commented_toml

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


@pytest.fixture(scope="session")
def config_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config of a small project of the sandbox; it is read alone."""
    folder = tmp_path_factory.mktemp("project")
    return write_project(folder, config=commented_toml(smoke_values()), sizes=SMOKE_SIZES)
