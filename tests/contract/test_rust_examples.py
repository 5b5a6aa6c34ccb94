"""Every public item of the Rust core shows how it is used, in an example that `cargo test --doc` runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "rust" / "dalign-core" / "src"
ITEM = re.compile(
    r"\s*pub (?:const |unsafe |async )*(fn|struct|enum|trait|type|const|static) (\w+)"
)
# Behind a private module, so that no other crate can implement the trait that needs it.
UNREACHABLE = {"trait Sealed"}


def items(text: str) -> Iterator[tuple[str, str]]:
    """Each public item with its documentation."""
    documentation: list[str] = []
    in_attribute = False
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("///"):
            documentation.append(bare)
        elif bare.startswith("#[") or in_attribute:
            in_attribute = not bare.endswith("]")
        else:
            if found := ITEM.match(line):
                yield f"{found[1]} {found[2]}", "\n".join(documentation)
            documentation = []


def test_the_reader_of_items_sees_them() -> None:
    text = '/// A.\n///\n/// ```\n#[error(\n    "x"\n)]\npub struct A;\n\npub(crate) fn no() {}\n    /// B.\n    pub const fn b() {}\n'
    assert list(items(text)) == [("struct A", "/// A.\n///\n/// ```"), ("fn b", "/// B.")]


def test_every_public_item_of_the_core_has_an_example() -> None:
    found = [
        (path.relative_to(SOURCES), name, documentation)
        for path in sorted(SOURCES.rglob("*.rs"))
        for name, documentation in items(path.read_text(encoding="utf-8"))
        if name not in UNREACHABLE
    ]
    assert len(found) > 250
    without = [
        f"{path}: {name}" for path, name, documentation in found if "```" not in documentation
    ]
    assert without == []
    # An example that is not run shows what may no longer be so.
    assert [
        f"{path}: {name}" for path, name, text in found if "ignore" in re.findall(r"```(\w*)", text)
    ] == []
