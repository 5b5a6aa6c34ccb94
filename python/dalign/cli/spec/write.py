"""Writes policy folders: a copy of one, or a draft from a policy of another form."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from shlex import quote

from dalign.cli.new_folder import new_folder
from dalign.cli.terminal import tell, tell_json
from dalign.errors import InputError, no_file
from dalign.spec.imports.draft import spec_of
from dalign.spec.imports.forms import Form, form_of, read_form
from dalign.spec.outline import read_source
from dalign.spec.parse import load_spec
from dalign.spec.render import write_spec
from dalign.spec.shipped import spec_folder
from dalign.spec.types import GENERAL


def copy_policy(folder: str, out: Path) -> None:
    """Copies the policy, its golden cases and templates; nothing where it is none, or where OUT holds something."""
    source = spec_folder(folder)
    spec = load_spec(source)
    with new_folder(out):
        shutil.copytree(source, out, dirs_exist_ok=True)
    clauses = sum(1 for _ in spec.clauses())
    tell(
        f"{out}: {len(spec.names)} categories, {clauses} clauses; then: dalign spec check {quote(str(out))}"
    )


def import_policy(
    source: Path, out: Path, form: str, category: str | None, *, as_json: bool
) -> None:
    """Writes the draft, and tells what was guessed and what to do next."""
    if not source.is_file():
        said = f"{no_file(source)}; name a policy in Markdown"
        raise InputError.in_file(source, said, kind="missing_file")
    text = read_source(source.parent, source).text
    taken: Form = form_of(text) if form == "auto" else form  # type: ignore[assignment]
    draft = read_form(text, taken)
    if not draft.clauses:
        what = f"no rule was found in the form '{taken}'; name another with --form, or give its rules headings"
        raise InputError.in_file(source, what, kind="empty")
    name = category or _slug(draft.title)
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) or name == GENERAL:
        said = f"--category {name}: not a name for a category; use a-z, 0-9, '-' and '_'"
        raise InputError(said, kind="not_valid")
    with new_folder(out):
        write_spec(spec_of(draft, name, source), out)
        spec = load_spec(out)
    clauses = spec.categories[0].clauses
    if as_json:
        rulings = {clause.id: clause.ruling for clause in clauses}
        made = {"out": str(out), "form": taken, "clauses": rulings, "guesses": draft.guesses}
        tell_json(made, indent=1)
        return
    for guess in draft.guesses:
        tell(guess)
    tell(f"{out}: {len(clauses)} clauses of '{name}', read in the form '{taken}'; what was guessed stands above: read it over")  # fmt: skip
    tell(f"then: dalign spec check {quote(str(out))}")


def _slug(title: str) -> str:
    short = re.sub(r"\b(policy|policies|the|content|guidelines?)\b", " ", title, flags=re.IGNORECASE)  # fmt: skip
    return re.sub(r"[^a-z0-9]+", "-", short.casefold().partition("(")[0]).strip("-")[:40] or "policy"  # fmt: skip
