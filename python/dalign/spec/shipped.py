"""The policies and prompt texts that come with dalign."""

from __future__ import annotations

from pathlib import Path

from dalign.errors import InputError, did_you_mean


def spec_folder(name_or_path: str) -> Path:
    """The folder of a policy: a path, or the name of one that dalign ships, such as `safety`."""
    path = Path(name_or_path)
    if path.is_dir() or path.name != name_or_path:
        return path
    return shipped(name_or_path)


def shipped(name: str) -> Path:
    """The folder of that name among the policies and templates that come with dalign."""
    specs = Path(__file__).parents[1] / "specs"
    if not (specs / name).is_dir():
        known = sorted(path.parent.name for path in specs.glob("*/principles.md"))
        what = f"dalign ships nothing of this name; {did_you_mean(name, known)}"
        raise InputError.in_file(specs / name, what, kind="missing_folder", value=name)
    return specs / name
