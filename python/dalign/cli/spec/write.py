"""Writes policy folders: a copy of one, or a draft from a policy of another form."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from shlex import quote

from dalign.cli.new_folder import new_folder
from dalign.cli.terminal import tell, tell_json
from dalign.errors import InputError, no_file
from dalign.spec.findings import Finding, SourceError
from dalign.spec.imports.draft import Draft
from dalign.spec.imports.forms import Form, form_of, read_form
from dalign.spec.imports.losses import Losses, losses
from dalign.spec.imports.written import undecided_examples, write_draft
from dalign.spec.outline import read_source
from dalign.spec.parse import compile_spec, load_spec
from dalign.spec.shipped import spec_folder
from dalign.spec.types import GENERAL, UNDECIDED
from dalign.text import one_line, short


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
    """Writes the draft, and tells why each rule rules as it does, what is to be decided, and what of the source is not in it."""
    if not source.is_file():
        said = f"{no_file(source)}; name a policy in Markdown"
        raise InputError.in_file(source, said, kind="missing_file")
    # With its first lines, even empty ones: what is told has their numbers.
    text = "\n".join(line.text for line in read_source(source.parent, source).lines)
    taken: Form = form_of(text) if form == "auto" else form  # type: ignore[assignment]
    draft = read_form(text, taken)
    if not draft.rules:
        what = f"no rule was found in the form '{taken}'; name another with --form, or give its rules headings"
        raise InputError.in_file(source, what, kind="empty")
    name = category or _slug(draft.title)
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) or name == GENERAL:
        said = f"--category {name}: not a name for a category; use a-z, 0-9, '-' and '_'"
        raise InputError(said, kind="not_valid")
    with new_folder(out):
        write_draft(draft, name, source, out)
        _no_other_fault(out)
    lost = losses(text, (out / f"{name}.md").read_text("utf-8"))
    if as_json:
        tell_json(_as_json(out, taken, name, draft, lost), indent=1)
    else:
        _tell_draft(out, taken, name, draft, lost)


def _no_other_fault(out: Path) -> None:
    """A draft has to be a policy, but for what is to be decided. Raises SourceError."""

    def report(finding: Finding) -> None:
        # What a source refers to and does not have, the check tells of.
        if finding.kind not in ("undecided", "dangling-reference"):
            raise SourceError(finding)

    compile_spec(out, report)


def _as_json(out: Path, form: Form, name: str, draft: Draft, lost: Losses) -> dict[str, object]:
    decided = {f"{name}.{rule.key}": rule.decided for rule in draft.rules}
    lines = {f"{name}.{rule.key}": rule.line for rule in draft.rules}
    return {
        "out": str(out),
        "form": form,
        "clauses": {key: ruling or UNDECIDED for key, (ruling, _) in decided.items()},
        "why": {key: {"line": lines[key], "text": why} for key, (_, why) in decided.items()},
        "undecided_examples": undecided_examples(draft),
        "source": {"sentences": lost.sentences, "examples": lost.examples},
        "lost_sentences": [each._asdict() for each in lost.lost_sentences],
        "lost_examples": [each._asdict() for each in lost.lost_examples],
    }


def _tell_draft(out: Path, form: Form, name: str, draft: Draft, lost: Losses) -> None:
    for rule in draft.rules:
        ruling, why = rule.decided
        what = f"rules {ruling}, {why}" if ruling else f"{UNDECIDED}: {why}"
        tell(one_line(f"line {rule.line}: {rule.key} {short(rule.title)!r} {what}"))
    for each in (*lost.lost_sentences, *lost.lost_examples):
        tell(one_line(f"line {each.line}: in no unit: {short(each.text)!r}"))
    open_rules = sum(rule.decided[0] is None for rule in draft.rules)
    examples = len(undecided_examples(draft))
    tell(
        f"{out}: {len(draft.rules)} clauses of '{name}', read in the form '{form}'; {open_rules} rulings and the sides of {examples} examples are to be decided ({UNDECIDED})"
    )
    tell(
        f"{len(lost.lost_sentences)} of {lost.sentences} sentences and {len(lost.lost_examples)} of {lost.examples} examples of the source reached no unit"
    )
    tell(f"read it over, then: dalign spec check {quote(str(out))}")


def _slug(title: str) -> str:
    short = re.sub(r"\b(policy|policies|the|content|guidelines?)\b", " ", title, flags=re.IGNORECASE)  # fmt: skip
    return re.sub(r"[^a-z0-9]+", "-", short.casefold().partition("(")[0]).strip("-")[:40] or "policy"  # fmt: skip
