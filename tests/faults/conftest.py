"""One undisturbed run of the small demo, for all that is done to its like."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_kill import run_to_end


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; a test that changes anything copies it."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    run_to_end(run)
    return run
