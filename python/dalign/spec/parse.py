"""A policy folder, parsed and compiled to addressed units with hashes and places."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dalign.errors import InputError
from dalign.spec.category import read_category
from dalign.spec.findings import Finding, Reports, SourceError, raised
from dalign.spec.hashes import hashed, spec_hash, with_hashes
from dalign.spec.outline import Source, read_source
from dalign.spec.principles import FILE as PRINCIPLES
from dalign.spec.principles import read_principles
from dalign.spec.references import resolve_references
from dalign.spec.types import Category, Principles, Spec


def load_spec(folder: Path | str) -> Spec:
    """The policy of a folder: `principles.md` and one Markdown file a category.

    Raises InputError, which names file, line, value and way out, where the folder is not a policy.
    """
    return compile_spec(Path(folder), raised)


def compile_spec(folder: Path, reports: Reports) -> Spec:
    """The same; what is wrong in a file goes to `reports`. Raises InputError where there is no policy at all."""
    if not folder.is_dir():
        what = f"no such policy folder; it holds {PRINCIPLES} and one Markdown file a category"
        raise InputError.in_file(folder, what, kind="missing_folder")
    principles = _principles(folder, reports)
    sources = [source for path in _category_files(folder) if (source := _source(folder, path, reports))]  # fmt: skip
    parsed = _unique((read_category(source), source) for source in sources)
    categories = [hashed(category) for category in resolve_references(parsed)]
    categories.sort(key=lambda category: category.name)
    principles = with_hashes(principles)
    return Spec(folder, principles, tuple(categories), spec_hash(principles, categories))


def _principles(folder: Path, reports: Reports) -> Principles:
    path = folder / PRINCIPLES
    if not path.exists() and not path.is_symlink():
        sentence = "is missing; write the principles of style and helpfulness there, in any form"
        reports(Finding(path, 1, "no-principles", sentence))
        return Principles("")
    source = _source(folder, path, reports)
    return read_principles(source) if source else Principles("")


def _source(folder: Path, path: Path, reports: Reports) -> Source | None:
    try:
        source = read_source(folder, path, reports)
    except SourceError as error:
        reports(error.finding)
        return None
    if not source.text and path.name != PRINCIPLES:
        source.report(1, "empty-file", "is empty; a category's file has front matter and '## Clauses'")  # fmt: skip
        return None
    return source


def _category_files(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.glob("[!.]*.md") if not path.is_dir())
    paths = [path for path in paths if path.name not in (PRINCIPLES, "README.md")]
    if not paths:
        what = "has no category; add one Markdown file a category, with front matter and '## Clauses'"  # fmt: skip
        raise InputError.in_file(folder, what, kind="empty")
    return paths


def _unique(parsed: Iterable[tuple[Category, Source]]) -> list[tuple[Category, Source]]:
    """The first category of each name; a second one is reported."""
    first: dict[str, tuple[Category, Source]] = {}
    for category, source in parsed:
        taken = first.setdefault(category.name, (category, source))[1]
        if taken is not source:
            what = f"category {category.name!r} is defined in {taken.path.name} too; keep one of the two"
            source.report(1, "duplicate-category", what)
    return list(first.values())
