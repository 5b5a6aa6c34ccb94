"""The shape of the tree: no circles of files, functions and classes of a size to be read at once, and no more lines than are needed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tree import PACKAGE, ROOT, imports, module_name, parsed, python_files

CORE = ROOT / "rust" / "dalign-core" / "src"
LONGEST, LONG = 60, 40
MOST_METHODS = 20
# 19,965 when the redesign of the house was done; what came since is what people asked for.
MOST_LINES = 48_000
Function = ast.FunctionDef | ast.AsyncFunctionDef


def circles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The largest sets of nodes that all reach each other, of two or more (Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for target in edges.get(node, ()):
            if target not in order:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], order[target])
        if low[node] == order[node]:
            at = stack.index(node)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for node in edges:
        if node not in order:
            visit(node)
    return [circle for circle in found if len(circle) > 1]


def python_edges() -> dict[str, set[str]]:
    """Module to modules that it imports: at the top, in a function or for the types alone."""
    files = {module_name(path): path for path in python_files()}
    edges: dict[str, set[str]] = {name: set() for name in files}
    for name, path in files.items():
        for _, imported in imports(path):
            for target in (imported, imported.rpartition(".")[0]):
                if target in files and target != name:
                    edges[name].add(target)
    return edges


def test_no_python_files_import_each_other_by_any_way_round() -> None:
    faces = {module_name(path) for path in python_files() if path.name == "__init__.py"}
    # A folder's face and one of its parts are one room.
    found = [
        parts
        for circle in circles(python_edges())
        if len(parts := [n for n in circle if n not in faces]) > 1
    ]
    assert found == []


def rust_module(path: Path) -> str:
    """`verdict::label` for src/verdict/label.rs; nothing for lib.rs."""
    parts = path.relative_to(CORE).with_suffix("").parts
    return "" if parts == ("lib",) else "::".join(parts)


def without_comments_and_tests(text: str) -> str:
    """The code alone; a file's tests stand at its end."""
    code = text.partition("#[cfg(test)]\nmod ")[0]
    return re.sub(r"//[^\n]*", "", code)


def use_trees(prefix: str, tree: str) -> Iterator[str]:
    """Each path of `a::{b, c::{d, e}}`, in full."""
    head, brace, rest = tree.strip().partition("{")
    if not brace:
        yield prefix + head.strip()
        return
    depth, start = 0, 0
    inner = rest[: rest.rindex("}")]
    for at, letter in enumerate(inner + ","):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            if part := inner[start:at].strip():
                yield from use_trees(prefix + head, part)
            start = at + 1


def rust_paths(code: str) -> Iterator[str]:
    """Every path of a file that starts at the crate, at the module above or at the module itself."""
    for use in re.findall(r"\buse\s+((?:crate|super|self)\b[^;]*);", code):
        yield from use_trees("", use)
    rest = re.sub(r"\buse\s+[^;]*;", "", code)
    yield from re.findall(r"\b(?:crate|super)(?:::\w+)+", rest)


def rust_target(module: str, path: str, known: set[str]) -> str:
    """The module that a path leads to, as seen from `module`."""
    here = module.split("::") if module else []
    names = path.split(" as ")[0].split("::")
    if names[0] == "crate":
        here = []
    while names and names[0] in ("crate", "self", "super"):
        here = here[:-1] if names[0] == "super" else here
        names = names[1:]
    full = here + [name for name in names if name != "self"]
    while full and "::".join(full) not in known:
        full = full[:-1]
    return "::".join(full)


def rust_edges() -> dict[str, set[str]]:
    """Module of the core to modules that it uses. A folder's face and what lies in it are one room: no edge."""
    files = {rust_module(path): path for path in sorted(CORE.rglob("*.rs"))}
    edges: dict[str, set[str]] = {name: set() for name in files}
    for name, path in files.items():
        for used in rust_paths(without_comments_and_tests(path.read_text("utf-8"))):
            target = rust_target(name, used, set(files))
            above = target.startswith(f"{name}::") or name.startswith(f"{target}::")
            if target not in ("", name) and not above:
                edges[name].add(target)
    return edges


def test_no_files_of_the_core_use_each_other_by_any_way_round() -> None:
    assert circles(rust_edges()) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": "b", "b": "c", "c": "ad", "d": ""}) == [["a", "b", "c"]]
    assert circles({"a": "b", "b": ""}) == []


def test_a_path_of_rust_leads_to_its_file() -> None:
    known = {"", "verdict", "verdict::label", "error"}
    code = "use super::label::{Label, self};\nuse crate::{error::A, verdict};\nfn f() -> super::label::X {}"
    paths = sorted({rust_target("verdict::score", path, known) for path in rust_paths(code)})
    assert paths == ["error", "verdict", "verdict::label"]


def functions() -> Iterator[tuple[str, int]]:
    """(`spec/parse.py:load_spec`, lines) of every function; a method has its class's name before its own."""
    for path in python_files():
        yield from functions_of(parsed(path), f"{path.relative_to(PACKAGE).as_posix()}:")


def functions_of(node: ast.AST, prefix: str) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield f"{prefix}{child.name}", (child.end_lineno or 0) - child.lineno + 1
        name = f"{prefix}{child.name}." if isinstance(child, Function | ast.ClassDef) else prefix
        yield from functions_of(child, name)


def test_no_function_is_longer_than_a_screen() -> None:
    assert {name: lines for name, lines in functions() if lines > LONGEST} == {}


def named_long() -> dict[str, str]:
    """The functions that ARCHITECTURE's table names as long, with the reason: | `path.py:name` | … | reason |."""
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    rows = re.findall(
        r"^\| `([\w/]+\.py:[\w.]+)` \|(?:[^|\n]*\|)*? *([^|\n]+?) *\|$", text, re.MULTILINE
    )
    return dict(rows)


def test_every_long_function_is_named_with_its_reason() -> None:
    long = {name for name, lines in functions() if lines > LONG}
    assert set(named_long()) == long
    assert all(len(reason.split()) > 2 for reason in named_long().values())


def test_no_class_has_more_methods_than_one_can_hold_in_mind() -> None:
    wide = {
        f"{path.relative_to(PACKAGE)}:{node.name}": count
        for path in python_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
        and (count := sum(isinstance(part, Function) for part in node.body)) > MOST_METHODS
    }
    assert wide == {}


def test_the_package_stays_within_its_lines() -> None:
    lines = sum(path.read_text("utf-8").count("\n") for path in python_files())
    assert lines <= MOST_LINES
