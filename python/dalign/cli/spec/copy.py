"""Copies a policy folder, as a start for one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from dalign.cli.terminal import tell
from dalign.errors import InputError
from dalign.spec.parse import load_spec
from dalign.spec.shipped import spec_folder


def copy_policy(folder: str, out: Path) -> None:
    """Copies the policy, its golden cases and templates; nothing where it is none, or where OUT holds something."""
    check_new(out)
    source = spec_folder(folder)
    spec = load_spec(source)
    shutil.copytree(source, out, dirs_exist_ok=True)
    clauses = sum(1 for _ in spec.clauses())
    tell(f"{out}: {len(spec.names)} categories, {clauses} clauses; then: dalign spec check {out}")


def check_new(out: Path) -> None:
    """Raises InputError unless OUT is a folder that is not there yet, or is empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            f"{out}: is there already and not empty; name a folder that is not there yet"
        )
