"""What no other test runs, benches, the real run and the fresh environments, imports of dalign only what is there."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from tree import ROOT, imports

SCRIPTS = sorted(
    path
    for folder in ("benches", "tests/real", "tests/fresh")
    for path in (ROOT / folder).rglob("*.py")
)


def is_there(name: str) -> bool:
    """Whether a dotted name is a module, or something that a module holds."""
    above, _, last = name.rpartition(".")
    module = import_module(above)
    inside = hasattr(module, "__path__") and find_spec(name) is not None
    return inside or hasattr(module, last)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: Path(path).relative_to(ROOT).as_posix())
def test_a_script_imports_what_is_there(path: Path) -> None:
    named = [(line, name) for line, name in imports(path, ROOT) if name.startswith("dalign.")]
    assert [(line, name) for line, name in named if not is_there(name)] == []


@pytest.mark.parametrize("name", ["dalign.store.parts.Tables", "dalign.store.partz"])
def test_a_name_that_is_gone_is_told(name: str) -> None:
    assert not is_there(name)
