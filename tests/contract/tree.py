"""The source tree as the contract tests read it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "dalign"
# Copies that an editable install makes of kernels/ and specs/.
COPIES = ("kernels", "specs")
# They import none of one another; what they are handed and may reach is held apart.
STAGES = {"generate", "filter", "judge", "select", "pack", "train", "evaluate", "synth"}


def python_files() -> list[Path]:
    """Every Python file of dalign itself, in order; the copies are not among them."""
    return sorted(
        path
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in (*COPIES, "__pycache__")
    )


def data_files(folder: Path) -> dict[str, bytes]:
    """What a folder holds and a wheel must hold: content by path; no caches, no hidden files."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(
            part == "__pycache__" or part.startswith(".") for part in path.relative_to(folder).parts
        )
    }


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(), filename=str(path))


def module_name(path: Path, root: Path = PACKAGE.parent) -> str:
    """`dalign.spec.parse` for python/dalign/spec/parse.py; a package has its folder's name."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, root: Path = PACKAGE.parent) -> Iterator[tuple[int, str]]:
    """(line, full dotted name) of everything that a file imports, wherever it does so.

    `from dalign import store` yields `dalign.store`: a name may be a module or not, and the caller
    looks at the parts that it knows.
    """
    name = module_name(path, root).split(".")
    package = name if path.name == "__init__.py" else name[:-1]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and called_name(node).endswith("import_module"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value


def called_name(call: ast.Call) -> str:
    """What is called, dotted: `eval`, `torch.load`; empty for the result of an expression."""
    parts: list[str] = []
    node: ast.expr = call.func
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])
