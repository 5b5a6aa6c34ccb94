"""What the sources must not hold: unsafe calls, telemetry, drawers for anything, one machine's paths."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tree import COPIES, PACKAGE, ROOT, called_name, imports, parsed, python_files

# Reading either runs what the file says.
UNSAFE_FORMATS = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
TELEMETRY = {"sentry_sdk", "posthog", "wandb", "mlflow", "segment", "opentelemetry", "statsd"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
DRAWERS = {"util", "utils", "common", "helper", "helpers", "misc"}
# Folders of one machine or another, and what lies beside the repository. Written so that this
# file does not hold them.
ONE_MACHINE = re.compile(r"(?<![\w.*~$}-])/(?:root|work|home|Users)/|\.\./" + "shared")


def kernel_and_package_files() -> list[Path]:
    return [*python_files(), *sorted((ROOT / "kernels").rglob("*.py"))]


def tracked_files() -> list[Path]:
    """Every file that git tracks; the test is skipped where there is no repository."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """(where, call) of each call of a file."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_nothing_that_runs_what_it_reads_and_no_telemetry_is_imported() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in python_files()
        for line, name in imports(path)
        if name.split(".")[0] in UNSAFE_FORMATS | TELEMETRY
    ]
    assert wrong == []


def test_no_text_is_run_as_code() -> None:
    wrong = [
        f"{where}: {called_name(call)}"
        for path in kernel_and_package_files()
        for where, call in calls(path)
        if called_name(call) in RUNS_TEXT
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "keyword",
    ["trust_remote_code", "allow_pickle", "shell", "push_to_hub"],
)
def test_no_call_switches_it_on(keyword: str) -> None:
    wrong = [
        where
        for path in python_files()
        for where, call in calls(path)
        for given in call.keywords
        if given.arg == keyword and isinstance(given.value, ast.Constant) and given.value.value
    ]
    assert wrong == []


def test_torch_loads_weights_only() -> None:
    wrong = [
        where
        for path in python_files()
        for where, call in calls(path)
        if called_name(call) == "torch.load"
        and not any(
            given.arg == "weights_only" and getattr(given.value, "value", False) is True
            for given in call.keywords
        )
    ]
    assert wrong == []


def test_trainers_report_to_nobody() -> None:
    wrong = [
        where
        for path in python_files()
        for where, call in calls(path)
        for given in call.keywords
        if given.arg == "report_to" and ast.unparse(given.value) not in ("'none'", "[]")
    ]
    assert wrong == []


def test_only_the_terminal_and_progress_print() -> None:
    # What they print has its control characters made visible.
    printing = {"print", "Console", "sys.stdout.write", "sys.stderr.write", "typer.echo"}
    doors = {"cli/terminal.py", "progress.py"}
    wrong = [
        f"{where}: {called_name(call)}"
        for path in python_files()
        if str(path.relative_to(PACKAGE)) not in doors
        for where, call in calls(path)
        if called_name(call) in printing and ast.unparse(call) != "typer.echo(_core.__version__)"
    ]
    assert wrong == []


def test_no_module_is_a_drawer_for_anything() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix in {".py", ".pyi", ".rs"}
        and {Path(part).stem for part in path.relative_to(ROOT).parts} & DRAWERS
    ]
    assert wrong == []


def test_no_file_names_a_path_of_one_machine() -> None:
    wrong = []
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
            if ONE_MACHINE.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert wrong == []


def test_the_locks_name_no_index_and_pin_every_file_by_its_hash() -> None:
    for path in sorted((ROOT / "locks").glob("*.txt")):
        blocks = re.split(r"\n(?=\S)", path.read_text().rstrip("\n"))
        packages = [block for block in blocks if not block.startswith("#")]
        assert "://" not in path.read_text(), path.name
        assert "-url" not in path.read_text(), path.name
        assert packages, path.name
        assert [b for b in packages if "==" not in b or "--hash=sha256:" not in b] == [], path.name


def test_the_copies_of_an_editable_install_are_not_tracked() -> None:
    tracked = {path.relative_to(ROOT) for path in tracked_files()}
    copies = [PACKAGE.relative_to(ROOT) / name for name in COPIES]
    assert [path for path in tracked if any(path.is_relative_to(copy) for copy in copies)] == []
