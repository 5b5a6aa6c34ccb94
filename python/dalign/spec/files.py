"""The files of a policy, to be copied with all that they need to be read elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

from dalign.spec.shipped import shipped
from dalign.store.whole_files import remove

# Markdown of principles and categories, golden cases, templates and how their replies are read.
PATTERNS = ("*.md", "golden/*.jsonl", "templates/*.j2", "templates/*.toml")


def copy_policy(folder: Path, place: Path) -> None:
    """Makes `place` a copy of a policy, with the templates that apply to it: its own or the shipped ones."""
    partial = place.with_name(f"{place.name}.partial")
    remove(partial)
    copy_folder(folder, partial)
    if not (folder / "templates").is_dir():
        copy_folder(shipped("templates").parent, partial, ("templates/*.j2",))
    remove(place)
    partial.rename(place)


def copy_folder(folder: Path, place: Path, patterns: tuple[str, ...] = PATTERNS) -> None:
    """Copies the files of a folder that are called like one of these patterns."""
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            target = place / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
