"""What a part may be handed and may reach: commands no judge, stages no whole run; and nothing that nobody uses."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tree import PACKAGE, ROOT, STAGES, imports, parsed, python_files

ENGINES = ("engines", "local", "server", "decoding")
NOT_FOR_COMMANDS = re.compile(
    rf"dalign\.(?:{'|'.join(sorted(STAGES))}|models\.(?:{'|'.join(ENGINES)}))(?:\.|$)"
)
# Things from which everything can be had, by type and by name.
WHOLES = ("Project", "Opened", "Engines", "Run", "RunFolder", "Config")
WHOLE = re.compile(rf"\b(?:{'|'.join(WHOLES)})\b")
NAMES_OF_WHOLES = {"ctx", "context"}
# transformers' trainer imports it; no code of ours does.
UNNAMED = {"accelerate"}
HEAVY = ("torch", "transformers", "polars", "numpy", "pydantic", "jinja2")


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_a_command_imports_no_judge_no_engine_and_no_stage() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in python_files()
        if part_of(path) == "cli"
        for line, name in imports(path)
        if NOT_FOR_COMMANDS.match(name)
    ]
    assert wrong == []


def parameters(tree: ast.AST) -> Iterator[tuple[int, ast.arg]]:
    """(line, parameter) of every parameter of a function and every field of a class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            every = node.args
            given = [*every.posonlyargs, *every.args, *every.kwonlyargs, every.vararg, every.kwarg]
            yield from ((node.lineno, parameter) for parameter in given if parameter)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.lineno, ast.arg(node.target.id, node.annotation)


def is_a_whole(parameter: ast.arg) -> bool:
    annotation = "" if parameter.annotation is None else ast.unparse(parameter.annotation)
    return parameter.arg in NAMES_OF_WHOLES or WHOLE.search(annotation) is not None


def test_no_stage_takes_the_project_or_the_run_as_a_whole() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {parameter.arg}"
        for path in python_files()
        if part_of(path) in STAGES
        for line, parameter in parameters(parsed(path))
        if is_a_whole(parameter)
    ]
    assert wrong == []


def test_every_whole_is_a_class_of_the_package() -> None:
    classes = {
        node.name
        for path in python_files()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
    }
    assert set(WHOLES) - classes == set()


@pytest.mark.parametrize(
    ("source", "whole"),
    [
        ("def f(ctx): ...", True),
        ("def f(run: Opened): ...", True),
        ("class A:\n    run: 'RunFolder'", True),
        ("def f(*, all: dict[str, Project]): ...", True),
        ("def f(settings: config.Judge, rows: pl.LazyFrame): ...", False),
        ("def f(arguments: SFTConfig): ...", False),
    ],
)
def test_a_whole_is_told_from_a_value(source: str, whole: bool) -> None:
    assert any(is_a_whole(parameter) for _, parameter in parameters(ast.parse(source))) is whole


def test_every_face_of_the_core_has_a_user() -> None:
    stub = ast.parse((PACKAGE / "_core.pyi").read_text("utf-8"))
    faces = next(
        ast.literal_eval(node.value)
        for node in stub.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    text = "\n".join(path.read_text("utf-8") for path in python_files())
    # What another face gives back needs no user that spells its name.
    returned = {
        ast.unparse(node.returns)
        for node in ast.walk(stub)
        if isinstance(node, ast.FunctionDef) and node.returns
    }
    unused = {name for name in faces if not re.search(rf"\b_core\.{name}\b", text)}
    members = {
        f"{face.name}.{part.name}"
        for face in stub.body
        if isinstance(face, ast.ClassDef) and face.name in faces
        for part in face.body
        if isinstance(part, ast.FunctionDef) and not part.name.startswith("__")
    }
    unused |= {name for name in members if not re.search(rf"\.{name.partition('.')[2]}\b", text)}
    assert sorted(unused - returned) == []


def imported_packages() -> set[str]:
    """The packages that the package itself and its kernels import, by the name that is imported."""
    sources = [*python_files(), *sorted((ROOT / "kernels").rglob("*.py"))]
    return {name.split(".")[0] for path in sources for _, name in imports(path, ROOT)}


def test_every_optional_dependency_is_imported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        (extra, Requirement(line).name)
        for extra, lines in project["optional-dependencies"].items()
        if extra != "dev"
        for line in lines
    }
    used = imported_packages() | UNNAMED
    assert [(extra, name) for extra, name in sorted(wanted) if name not in used] == []


def in_a_fresh_interpreter(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_face_of_the_package_is_a_handful_of_names() -> None:
    code = f"""
import sys
import dalign
loaded = [name for name in {HEAVY} if name in sys.modules]
missing = [name for name in dalign.__all__ if not hasattr(dalign, name)]
print(len(dalign.__all__), sorted(set(dalign.__all__) - set(dir(dalign))), loaded, missing)
"""
    count, rest = in_a_fresh_interpreter(code).split(" ", 1)
    assert 3 <= int(count) <= 12
    assert rest.strip() == "[] [] []"
