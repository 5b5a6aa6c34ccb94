"""The form of patterns.toml as specs/README.md tells it."""

from __future__ import annotations

import re
from pathlib import Path

from dalign.data.patterns import read_patterns

README = Path(__file__).parents[3] / "specs" / "README.md"


def test_the_example_is_one(tmp_path: Path) -> None:
    [example] = re.findall(r"```toml\n(\[\[answer\]\].*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "patterns.toml").write_text(example)
    patterns = read_patterns(tmp_path / "patterns.toml")
    assert patterns.ruling_of("I'm sorry, no.") == ("refuse", True)
    assert patterns.ruling_of("Of course.\nHere it is.") == ("comply", True)
    assert patterns.ruling_of("") is None
    assert patterns.cited("By clause self-harm.S12, so.") == "self-harm.S12"
