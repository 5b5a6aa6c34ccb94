"""Prompts of a public suite, as `data.prompts` and the suites of a run are read: with a category of the user's own policy each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dalign.data.jsonl import RowError, rows_of
from dalign.data.public import Entry, PublicSuite
from dalign.data.public.wildchat import TOP
from dalign.errors import InputError, check_place
from dalign.files.feeds import rows_files
from dalign.spec.types import Ruling
from dalign.store.whole_files import file_digest, whole
from dalign.text import short

SUFFIX = ".jsonl"


@dataclass(frozen=True)
class Placing:
    """Where a suite's rows go in the user's policy, and what is done there.

    by: a category for each of the suite's own; rest: for all others, None: there may be none. ruling: of all rows, None: as the suite says.
    """

    by: Mapping[str, str] = field(default_factory=dict)
    rest: str | None = None
    ruling: Ruling | None = None

    def category(self, own: str) -> str:
        """The policy's category. Raises RowError where nobody said one."""
        found = self.by.get(own, self.rest)
        if found is None:
            what = f"nobody said where the suite's category {short(repr(own))} stands in your policy; give --map {short(own)!r}=CATEGORY, or --category CATEGORY for all that is not mapped"
            raise RowError(what, "unknown_category", "category", own)
        return found


@dataclass
class Imported:
    """What was written: rows, by the policy's category and by ruling (none where the suite says none); and the file's hash.

    own: the suite's categories that occur; passed: rows of a corpus that no prompt can be made of, by reason.
    """

    sha256: str
    rows: int = 0
    categories: Counter[str] = field(default_factory=Counter)
    rulings: Counter[str] = field(default_factory=Counter)
    own: set[str] = field(default_factory=set)
    passed: Counter[str] = field(default_factory=Counter)


def import_suite(
    suite: PublicSuite,
    source: Path,
    out: Path,
    placing: Placing,
    *,
    sha256: str | None = None,
    partial: bool = False,
    force: bool = False,
    top: int | None = None,
) -> Imported:
    """Writes the suite's prompts.

    sha256: what the file's hash has to be; partial: whether it may have another number of rows than the suite has; top: of a corpus, how many a category.
    Where neither suite nor placing has a ruling, a row has none. Raises InputError for another file, a row of another schema, and a
    category without a place.
    """
    if out.suffix.lower() != SUFFIX:
        said = f"its name must end in {SUFFIX}: that is what is written"
        raise InputError.in_file(out, said, kind="unknown_choice")
    if top is not None and suite.best is None:
        said = f"--top {top}: {suite.title} is taken whole; leave it out"
        raise InputError(said, kind="not_valid", key="top", value=top)
    check_place(out, force=force, inputs=[file.path for file in rows_files(source)])
    made = Imported(_checked(source, sha256))
    with whole(out) as place, place.open("wb") as file:
        for row in _rows(suite, source, placing, TOP if top is None else top, made):
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            made.rows += 1
            made.categories[str(row["category"])] += 1
            expected = row.get("expected")
            made.rulings[expected["ruling"] if isinstance(expected, dict) else "none"] += 1
        _check_whole(suite, source, placing, made, partial=partial)
    return made


def _check_whole(
    suite: PublicSuite, source: Path, placing: Placing, made: Imported, *, partial: bool
) -> None:
    """Raises InputError for a file of another size, without a row, or without a category that is placed."""
    if unknown := sorted(placing.by.keys() - made.own):
        what = f"has no category {short(unknown[0])!r}, which --map names; it has {', '.join(sorted(made.own)) or 'none'}"
        raise InputError.in_file(source, what, kind="unknown_category", value=unknown[0])
    if not made.rows:
        what = f"holds no conversation that a prompt can be made of ({', '.join(f'{n} with {reason}' for reason, n in made.passed.items())})"
        raise InputError.in_file(source, what, kind="empty")
    if suite.sizes and made.rows not in suite.sizes and not partial:
        known = " or ".join(f"{size:,}" for size in sorted(suite.sizes))
        what = f"has {made.rows:,} rows, and {suite.title} has {known}; fetch it again, or say --partial if a part is meant"
        raise InputError.in_file(source, what, kind="out_of_range", value=made.rows)


def _checked(source: Path, sha256: str | None) -> str:
    """The file's hash; empty for what is no single file."""
    found = file_digest(source) if source.is_file() else ""
    if sha256 is not None and not found:
        said = "is no single file, and --sha256 is the hash of one; name the file, or leave --sha256 out"
        raise InputError.in_file(source, said, kind="wrong_form", value=sha256)
    if sha256 is not None and found != sha256.lower():
        what = f"has the sha256 {found}, not {sha256}; it is another version, or was changed on its way: fetch it again, or leave --sha256 out"
        raise InputError.in_file(source, what, kind="damaged_file", value=found)
    return found


def _rows(
    suite: PublicSuite, source: Path, placing: Placing, top: int, told: Imported
) -> Iterator[dict[str, object]]:
    numbers = iter(range(1, 1 << 62))

    def made(entry: Entry) -> dict[str, object]:
        number, ruling = next(numbers), placing.ruling or entry.ruling
        told.own.add(entry.category)
        row: dict[str, object] = {
            "id": f"{suite.name}-{entry.id or number}",
            "category": placing.category(entry.category),
            "messages": list(entry.messages),
        }
        if ruling is not None:
            row["expected"] = {"ruling": ruling}
        own = {"source": suite.name, "source_category": entry.category, "licence": suite.licence}
        gated = {"gated": True} if suite.gating == "gated" else {}
        return row | own | gated | dict(entry.labels)

    if suite.best is None:
        yield from rows_of(
            source, lambda row: made(suite.of(row)), lambda row: str(row["id"]), as_is=True
        )
        return
    try:
        yield from map(made, suite.best(source, top, told.passed))
    except RowError as error:
        raise error.at(source) from error
