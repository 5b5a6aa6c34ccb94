"""Who may import whom, as ARCHITECTURE draws it, here from the lowest row to the highest."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from tree import PACKAGE, ROOT, STAGES, imports, python_files

# `kernels` is imported by name only, and imports nothing of dalign.
LAYERS = [
    {"_core", "kernels"},
    {
        "errors",
        "panics",
        "text",
        "vocabulary",
        "figures",
        "rows",
        "config",
        "settings",
        "progress",
        "parsing",
        "pattern",
        "trial",
    },
    {"store", "files"},
    {"models", "duplicates", "overlap", "balance", "drift", "shift", "transforms"},
    {"spec"},
    {"data"},
    STAGES,
    {"pipeline", "report"},
    {"records"},
    {"experiments"},
    {"cli", "library"},
]
NOUNS = LAYERS[1]
LAYER_OF = {part: row for row, parts in enumerate(LAYERS) for part in parts}
# It is beside the table: below the stages, and known to the command and to what names checkpoints alone.
SANDBOX = "sandbox"
KNOWS_THE_SANDBOX = "python/dalign/pipeline/checkpoints.py:"

# Where what one imports is not called like what one installs, or is a fixed part of it.
INSTALLED_AS = {
    "yaml": "pyyaml",
    "pydantic_core": "pydantic",
    "safetensors": "transformers",
    "tokenizers": "transformers",
}


def part_of(name: str) -> str | None:
    """`spec` for dalign.spec.parse; None for other packages and for dalign itself."""
    names = name.split(".")
    known = LAYER_OF.keys() | {SANDBOX}
    return names[1] if names[0] == "dalign" and len(names) > 1 and names[1] in known else None


def arrows() -> list[tuple[str, str, str]]:
    """(importing part, imported part, where) of every import that crosses from part to part."""
    found = []
    for path in python_files():
        if path == PACKAGE / "__init__.py":
            continue
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for line, name in imports(path):
            target = part_of(name)
            if target is not None and target != part:
                found.append((part, target, f"{path.relative_to(ROOT)}:{line}"))
    return found


ARROWS = arrows()


def test_every_module_has_its_place_in_the_table() -> None:
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in python_files()}
    assert parts - {"__init__"} <= LAYER_OF.keys() | {SANDBOX}


def test_dalign_itself_imports_none_of_its_parts() -> None:
    assert [name for _, name in imports(PACKAGE / "__init__.py") if part_of(name)] == []


def test_imports_point_to_lower_rows() -> None:
    wrong = [
        f"{where}: {part} imports {target}"
        for part, target, where in ARROWS
        if SANDBOX not in (part, target)
        and LAYER_OF[target] >= LAYER_OF[part]
        and not {part, target} <= NOUNS
    ]
    assert wrong == []


def test_the_drawing_of_the_parts_has_the_rows_of_the_table() -> None:
    drawing = (ROOT / "ARCHITECTURE.md").read_text("utf-8").partition("Arrows point down")[2]
    lines = drawing.split("```")[1].splitlines()
    words = [set(re.findall(r"[a-z_]+", re.split(r"  +", line)[0])) for line in lines if line[:1] not in ("", " ", "─")]  # fmt: skip
    assert words == [parts - {"kernels"} for parts in reversed(LAYERS)]


def test_only_the_command_and_the_names_of_checkpoints_import_the_sandbox() -> None:
    wrong = [
        f"{where}: {part} imports the sandbox"
        for part, target, where in ARROWS
        if target == SANDBOX and part != "cli" and not where.startswith(KNOWS_THE_SANDBOX)
    ]
    assert wrong == []


def test_the_sandbox_imports_no_stage_and_nothing_above() -> None:
    wrong = [
        f"{where}: sandbox imports {target}"
        for part, target, where in ARROWS
        if part == SANDBOX and LAYER_OF[target] >= LAYER_OF["judge"]
    ]
    assert wrong == []


def test_no_two_parts_import_each_other_by_any_way_round() -> None:
    graph: dict[str, set[str]] = {}
    for part, target, _ in ARROWS:
        graph.setdefault(part, set()).add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


def test_records_open_no_engine_and_run_no_config() -> None:
    known = {"project", "plan", "moved"}
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: records imports {name}"
        for path in sorted((PACKAGE / "records").rglob("*.py"))
        for line, name in imports(path)
        if name.startswith("dalign.pipeline") and name.split(".")[2:3] not in [[k] for k in known]
    ]
    assert wrong == []


@pytest.mark.parametrize("module", ["coverage", "journey", "blast_radius", "record", "results"])
def test_what_reads_a_run_loads_neither_engines_nor_the_judge(module: str) -> None:
    code = (
        f"import sys, dalign.records.{module}\n"
        "kept = ('dalign.models.engines', 'dalign.pipeline.engines', 'dalign.pipeline.stages', 'dalign.judge')\n"
        "print(*(name for name in sys.modules if name.startswith(kept)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def is_own_or_standard(name: str, own: set[str]) -> bool:
    return name.split(".")[0] in own | set(sys.stdlib_module_names)


def test_kernels_import_torch_and_triton_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted((ROOT / "kernels").rglob("*.py"))
        for line, name in imports(path, ROOT)
        if not is_own_or_standard(name, {"kernels", "torch", "triton"})
    ]
    assert wrong == []


def declared() -> set[str]:
    """Every package that pyproject.toml names, in dependencies or an extra."""
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {k: v for k, v in project["optional-dependencies"].items() if k != "dev"}
    lines = [*project["dependencies"], *(line for lines in extras.values() for line in lines)]
    return {Requirement(line).name for line in lines}


@pytest.mark.parametrize(
    "path", python_files(), ids=lambda path: str(Path(path).relative_to(PACKAGE))
)
def test_every_import_is_a_declared_dependency(path: Path) -> None:
    known = declared()
    missing = [
        f"line {line}: {name}"
        for line, name in imports(path)
        if not is_own_or_standard(name, {"dalign"})
        and INSTALLED_AS.get(name.split(".")[0], name.split(".")[0]) not in known
    ]
    assert missing == []
