"""The wheel, as a user gets it: its content against the tree, and what works with its light needs."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tree import COPIES, PACKAGE, ROOT, data_files

pytestmark = pytest.mark.slow

PUBLISHED = os.environ.get("DALIGN_WHEEL")
HEAVY = {"torch", "transformers", "trl", "peft", "accelerate", "datasets", "triton", "scipy"}


def run(*words: str | Path, **variables: str) -> str:
    """Stdout of a command that must succeed."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def tool(name: str) -> str:
    """A program of this environment, or else of the machine."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is not there; run `make develop`"
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that DALIGN_WHEEL names, as `make test-fresh` does; or one built in cargo's usual folder.

    The latter is for this machine alone, and quick where `make develop` has been run.
    """
    if PUBLISHED is not None:
        return ROOT / PUBLISHED
    folder = tmp_path_factory.mktemp("wheel")
    run(tool("maturin"), "build", "--release", "--quiet", "--out", folder, VIRTUAL_ENV=sys.prefix)
    (built,) = folder.glob("dalign-*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def needs(requirements: list[str]) -> set[str]:
    """Names of the packages that the requirements bring, theirs included, without extras."""
    wanted = [Requirement(line) for line in requirements]
    found: set[str] = set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        wanted += [Requirement(line) for line in importlib.metadata.requires(name) or []]
    return found


def sections(elf: bytes) -> list[str]:
    """Names of the sections of a 64-bit little-endian ELF file."""
    (table,) = struct.unpack_from("<Q", elf, 0x28)
    size, count, of_names = struct.unpack_from("<HHH", elf, 0x3A)
    # Of a section's header: where its name is, and where its bytes are.
    headers = [struct.unpack_from("<I20xQ", elf, table + size * index) for index in range(count)]
    names = headers[of_names][1]
    return [elf[names + name : elf.index(0, names + name)].decode() for name, _ in headers]


@pytest.fixture(scope="module")
def light_python(wheel: Path, unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment: the wheel, and what it needs without any extra."""
    folder = tmp_path_factory.mktemp("light")
    (metadata,) = unpacked.glob("dalign-*.dist-info")
    names = needs(importlib.metadata.Distribution.at(metadata).requires or [])
    assert names & HEAVY == set()
    blocks = re.split(r"\n(?=[a-z])", (ROOT / "locks/base.txt").read_text())
    locked = [b for b in blocks if canonicalize_name(re.split(r"==", b)[0].strip()) in names]
    requirements = folder / "requirements.txt"
    requirements.write_text("\n".join(locked) + "\n")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    python = folder / "venv/bin/python"
    install = [tool("uv"), "pip", "install", "--quiet", "--python", python, "--no-deps"]
    run(*install, "--require-hashes", "-r", requirements)
    run(*install, wheel)
    return python


def test_the_wheel_holds_kernels_and_specs_as_the_tree_does(unpacked: Path) -> None:
    for folder in COPIES:
        assert data_files(unpacked / "dalign" / folder) == data_files(ROOT / folder)


def test_the_editable_install_holds_kernels_and_specs_as_the_tree_does() -> None:
    for folder in COPIES:
        stale = data_files(PACKAGE / folder) != data_files(ROOT / folder)
        assert not stale, f"python/dalign/{folder} is an old copy; run `make develop`"


def test_the_wheel_holds_the_package_and_nothing_else(unpacked: Path) -> None:
    def own(folder: Path) -> set[str]:
        return {n for n in data_files(folder) if not n.startswith(tuple(f"{c}/" for c in COPIES))}

    (extension,) = (unpacked / "dalign").glob("_core*.so")
    assert own(unpacked / "dalign") - {extension.name} == own(PACKAGE) - {
        path.name for path in PACKAGE.glob("_core*.so")
    }
    folders = {path.name for path in unpacked.iterdir()} - {"dalign"}
    assert all(re.fullmatch(r"dalign-[^-]+\.(dist-info|libs)", name) for name in folders), folders


def test_the_wheel_serves_every_python_from_3_11_and_carries_its_licence(
    wheel: Path, unpacked: Path
) -> None:
    assert "-cp311-abi3-" in wheel.name
    (licence,) = unpacked.glob("dalign-*.dist-info/licenses/LICENSE")
    assert licence.read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_core_has_no_symbols_that_only_a_debugger_reads(unpacked: Path) -> None:
    (core,) = (unpacked / "dalign").glob("_core*.so")
    names = sections(core.read_bytes())
    assert ".dynsym" in names
    assert [name for name in names if name == ".symtab" or name.startswith(".debug")] == []


def test_the_core_asks_for_no_newer_c_library_than_the_wheel_says(
    wheel: Path, unpacked: Path
) -> None:
    (core,) = (unpacked / "dalign").glob("_core*.so")
    asked = {int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)", core.read_bytes())}
    said = re.search(r"-manylinux_2_(\d+)_", wheel.name)
    if PUBLISHED is not None:
        assert said is not None
        assert said[1] == "28"
    if said is not None:
        assert max(asked) <= int(said[1])


def test_the_compiled_core_and_a_policy_load_with_the_light_needs_alone(
    light_python: Path,
) -> None:
    code = """
import dalign, dalign._core
from dalign.spec.parse import load_spec
from dalign.spec.shipped import shipped
print(dalign.__file__)
print(dalign._core.__version__)
print(*sorted(category.name for category in load_spec(shipped("safety")).categories))
"""
    where, version, categories = run(light_python, "-I", "-c", code).splitlines()
    assert Path(where).is_relative_to(light_python.parents[1])
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert "harassment" in categories.split()


def test_the_command_starts_a_project_with_the_light_needs_alone(
    light_python: Path, tmp_path: Path
) -> None:
    run(light_python.with_name("dalign"), "init", tmp_path / "mine")
    assert (tmp_path / "mine/dalign.toml").is_file()


def test_a_kernel_of_the_wheel_imports(unpacked: Path) -> None:
    code = """
import torch
from dalign.kernels import token_logprobs as op
print(op.__file__)
print(op.token_logprobs(torch.zeros(1, 4), torch.tensor([2])).item())
"""
    where, value = run(sys.executable, "-c", code, PYTHONPATH=str(unpacked)).splitlines()
    assert Path(where).is_relative_to(unpacked)
    assert float(value) == pytest.approx(-1.3862943)  # log of one in four
