"""What the user brings, read once: policy, templates, prompts, suites, capability rows; kept in the run's folder."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice, zip_longest
from operator import itemgetter
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

from dalign.config import Config
from dalign.data.adapters import adapter
from dalign.data.brought import brought_rows
from dalign.data.capability import capability_rows
from dalign.data.judge_card import Card, read_card
from dalign.data.patterns import Patterns, read_patterns
from dalign.errors import InputError, UnfinishedError
from dalign.files.feeds import rows_files
from dalign.pipeline.judge_card import check_card, put_card
from dalign.pipeline.leaks import Leak, leaks_between, trained_on
from dalign.progress import Going, Progress
from dalign.rows import (
    Brought,
    CapabilityRow,
    Columns,
    Prompt,
    messages_json,
    table,
    turns,
)
from dalign.spec.files import copy_policy
from dalign.spec.parse import load_spec
from dalign.spec.templates import Budget, Templates, load_templates
from dalign.spec.types import Spec
from dalign.store.damage import damaged, reading
from dalign.store.parts import PartWriter, Table
from dalign.store.run import CARD
from dalign.store.seal import (
    Fault,
    Seal,
    check_names,
    fault_of,
    files_below,
    marks_in,
    marks_of,
    read_sealed,
    write_sealed,
)
from dalign.store.whole_files import digest, file_digest, remove

SOURCES = "sources.json"
SPEC, PATTERNS, SUITES = "spec", "patterns", "suites/"
PROMPTS, BROUGHT, HELD_OUT = "prompts", "brought", "held_out"
_Row = TypeVar("_Row", Prompt, CapabilityRow, Brought)


@dataclass(frozen=True)
class Source:
    """A file of rows as a run holds it. sha256: of the user's file; categories, clauses: rows of each."""

    table: Table
    sha256: str
    rows: int
    categories: Mapping[str, int] = field(default_factory=dict)
    clauses: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Project:
    """A run's inputs, checked. patterns: of the suites that have some; rl_prompts: the prompts, unless RL has its own.

    leaks: rows that are trained on and stand in a suite. brought: completions that were made elsewhere. held_out: capability rows that nothing is trained on. judge_card: what
    the judge is worth beside people.
    """

    config: Config
    spec: Spec
    templates: Templates
    prompts: Source
    rl_prompts: Source
    capability: Source | None
    suites: Mapping[str, Source]
    patterns: Mapping[str, Patterns]
    patterns_sha256: Mapping[str, str]
    leaks: Sequence[Leak] = ()
    brought: Source | None = None
    held_out: Source | None = None
    judge_card: Card | None = None


def bring_in(
    config: Config,
    place: Path,
    budget: Budget | None,
    progress: Progress | None = None,
    check: Callable[[Project], None] = lambda _: None,
) -> Project:
    """Reads and checks all that the config names, and keeps it in `place`. A file that is there as it was is not read again.

    check: of all that was read. Raises InputError, which names file, line, value and way out; then `place` holds what it held.
    """
    if not config.evaluate.suites:
        said = "evaluate.suites names no suite, so nothing could be shown of the arms; add one: [[evaluate.suites]] with name and path"
        raise InputError(said, kind="no_suites")
    check_card(config)
    spec = load_spec(config.spec.path)
    patterns = {s.name: s.patterns for s in config.evaluate.suites if s.patterns is not None}
    kept = _Kept(place, config.run.part_rows, config.data.limit, progress or Progress())
    try:
        _take_files(kept, config, spec)
        project = _project(config, kept.sources, config.spec.path, patterns, budget)
        # A template that cannot be filled in, or a policy that does not fit.
        project.templates.specs(spec)
        check(project)
        kept.compare(trained_on(config.evaluate.arms, has_rl_prompts="rl_prompts" in kept.sources))
        kept.write(config, patterns)
    finally:
        kept.clear()
    return read_project(config, place, budget)


def _take_files(kept: _Kept, config: Config, spec: Spec) -> None:
    """Takes every file of rows that the config names."""
    data = config.data
    clauses = sorted(clause.id for clause in spec.clauses())
    # With the columns: what was kept by an earlier dalign is read again where it has fewer.
    known = digest([spec.names, clauses])
    for name, (path, form) in prompt_files(config).items():
        kept.take(name, path, Prompt.COLUMNS, digest([known, form]), adapter(form, spec))
    if data.capability is not None:
        kept.take("capability", data.capability, CapabilityRow.COLUMNS, "", capability_rows)
    if data.held_out is not None:
        kept.take(HELD_OUT, data.held_out, CapabilityRow.COLUMNS, "", capability_rows)
    if data.brought is not None:
        names = _names(kept.sources[PROMPTS], config.run.part_rows)
        read = partial(brought_rows, prompts=names, of_others=data.limit is not None)
        kept.take(BROUGHT, data.brought, Brought.COLUMNS, kept.key(PROMPTS), read)


def _names(prompts: Source, part_rows: int) -> dict[str, str]:
    """The id of each prompt by its id, and by its messages; of equal conversations the first."""
    names: dict[str, str] = {}
    for part in prompts.table.chunks(part_rows, ["id", "messages"]):
        for row_id, messages in zip(part["id"], turns(part["messages"]), strict=True):
            names.setdefault(messages_json(messages), row_id)
            names[row_id] = row_id
    return names


def prompt_files(config: Config) -> dict[str, tuple[Path, str]]:
    """The files of prompts with their forms, by the names that they have in a run."""
    own = {"prompts": config.data.prompts, "rl_prompts": config.data.rl_prompts}
    files = {name: (path, "prompts") for name, path in own.items() if path is not None}
    return files | {f"{SUITES}{s.name}": (s.path, s.format) for s in config.evaluate.suites}


def _patterns_name(suite: str) -> str:
    return f"{PATTERNS}/{suite}.toml"


def read_project(config: Config, place: Path, budget: Budget | None = None) -> Project:
    """What `bring_in` has kept; reads no file of the user's. budget: of the templates, where prompts are rendered."""
    path = place / SOURCES
    if not path.is_file():
        if place.is_dir():
            raise damaged(path, "lost")
        said = f"the run's prompts and policy are not here; run it first (dalign run --run {quote(str(place.parent))})"
        raise UnfinishedError.in_file(place, said)
    seal = inputs_seal(place)
    # Rows are checked where they are read.
    for each in (*seal.below(place / SPEC), *seal.below(place / PATTERNS)):
        seal.check(each)
    for path, what in seal.added(place / SPEC):
        raise damaged(path, what)
    with reading(path):
        held = read_sealed(path)
        sources = {
            name: Source(Table(place / name, seal=seal), **values)
            for name, values in held["sources"].items()
        }
        with_patterns = [s.name for s in config.evaluate.suites if s.patterns is not None]
        patterns = {name: place / _patterns_name(name) for name in with_patterns}
        # Runs of before did not look for them.
        leaks = [Leak(**values) for values in held.get("leaks", {}).get("found", ())]
        project = _project(config, sources, place / SPEC, patterns, budget)
        has_card = config.evaluate.judge_card is not None
        card = read_card(seal.check(place / CARD)) if has_card else None
        return replace(project, leaks=leaks, judge_card=card)


def _project(
    config: Config,
    sources: Mapping[str, Source],
    policy: Path,
    patterns: Mapping[str, Path],
    budget: Budget | None,
) -> Project:
    """The project of these files."""
    prompts = sources[PROMPTS]
    return Project(
        config,
        load_spec(policy),
        load_templates(policy, budget, config.spec.place),
        prompts,
        sources.get("rl_prompts", prompts),
        sources.get("capability"),
        {suite.name: sources[f"{SUITES}{suite.name}"] for suite in config.evaluate.suites},
        {name: read_patterns(path) for name, path in patterns.items()},
        {name: file_digest(path) for name, path in patterns.items()},
        brought=sources.get(BROUGHT),
        held_out=sources.get(HELD_OUT),
    )


def inputs_seal(place: Path) -> Seal:
    """What the files that `bring_in` has kept must be. Raises InputError where the record of them is damaged."""
    path = place / SOURCES
    return Seal(place, marks_in(path, read_sealed(path)))


def inputs_faults(place: Path) -> list[Fault]:
    """What of the kept files is damaged or lost; nothing where none are kept."""
    try:
        if not place.is_dir():
            return []
        seal = inputs_seal(place)
        return list(seal.faults())
    except InputError as error:
        return [Fault(place / SOURCES, str(error.value))]


class _Kept:
    """The files as the run's folder is to hold them: beside what it holds, until all are there."""

    def __init__(self, place: Path, part_rows: int, limit: int | None, progress: Progress) -> None:
        self._place, self._part_rows, self._progress = place, part_rows, progress
        self._limit = limit
        self._seal, self._before, self._told, self._leaks = self._held()
        self._keys: dict[str, str] = {}
        # What was taken, where it lies until it is put in place.
        self.sources: dict[str, Source] = {}
        self._new = place / "new"
        self.clear()

    def _held(self) -> tuple[Seal, dict[str, str], dict[str, Any], dict[str, Any]]:
        """What is here of an earlier call, as far as that can be read: its seal, its keys, what is told of it, its leaks."""
        try:
            told = read_sealed(self._place / SOURCES)
            check_names(self._place / SOURCES, [*told["keys"], *told["sources"]])
            seal = inputs_seal(self._place)
            return seal, told["keys"], told["sources"], told.get("leaks", {})
        except (InputError, LookupError, TypeError):
            return Seal(self._place, {}), {}, {}, {}

    def _is_whole(self, name: str) -> bool:
        """Whether a file of rows is here as it was written."""
        place = self._place / name
        parts = self._seal.below(place)
        # What lies behind a link is not the run's to seal.
        within = [up for up in (place, *place.parents) if self._place in up.parents]
        if any(up.is_symlink() for up in within) or any(self._seal.added(place)):
            return False
        return bool(parts) and not any(
            fault_of(p, self._seal.marks[p.relative_to(self._place).as_posix()]) for p in parts
        )

    def take(
        self,
        name: str,
        path: Path,
        columns: Columns,
        known: str,
        read: Callable[[Path], Iterator[_Row]],
    ) -> None:
        """Keeps a file of rows, in parts. known: what its rows may name; when that changes, or the columns do, they are read again."""
        sha256 = _digest_of(path)
        if self._limit is not None:
            sha256 = digest([sha256, self._limit])
        form = {column: str(kind) for column, kind in columns.items()}
        self._keys[name] = digest([sha256, known, form])
        if self._before.get(name) == self._keys[name] and self._is_whole(name):
            held = Table(self._place / name, seal=self._seal)
            self.sources[name] = Source(held, **self._told[name])
            return
        categories, clauses = Counter[str](), Counter[str]()
        writer = PartWriter(made := Table(self._new / name), self._part_rows)
        rows = read(path) if self._limit is None else iter(few_of(read(path), self._limit))
        parts = iter(lambda: list(islice(rows, self._part_rows)), [])
        going = Going(self._progress, f"read {path.name}", _line_ends(path))
        for part in going.over(parts):
            for row in part:
                if isinstance(row, Prompt):
                    categories[row.category] += 1
                    if row.expected is not None and row.expected.clause is not None:
                        clauses[row.expected.clause] += 1
            writer.add(table(columns, [row.row for row in part]))
        writer.end(table(columns))
        going.finish("")
        counted = (dict(sorted(count.items())) for count in (categories, clauses))
        self.sources[name] = Source(made, sha256, writer.written, *counted)

    def key(self, name: str) -> str:
        """What a file that was taken is known by."""
        return self._keys[name]

    def compare(self, training: Sequence[str]) -> None:
        """Looks in these of the files that were taken for prompts of suites, unless that was done with the same files."""
        compared = {n: k for n, k in self._keys.items() if n in training or n.startswith(SUITES)}
        key = digest(sorted(compared.items()))
        if self._leaks.get("key") == key:
            return
        tables = {name: source.table for name, source in self.sources.items()}
        suites = {n.removeprefix(SUITES): t for n, t in tables.items() if n.startswith(SUITES)}
        trained = {name: tables[name] for name in training if name in tables}
        found = [vars(leak) for leak in leaks_between(trained, suites, self._part_rows)]
        self._leaks = {"key": key, "found": found}

    def write(self, config: Config, patterns: Mapping[str, Path]) -> None:
        """Puts what was taken, the policy, the patterns and the card in the place of what is held. Killed within, all is read again."""
        changed = [n for n, s in self.sources.items() if s.table.folder == self._new / n]
        if gone := [*changed, *(self._told.keys() - self.sources.keys())]:
            remove(self._place / SOURCES)
        for name in gone:
            self._folder((self._place / name).parent)
            remove(self._place / name)
        for name in changed:
            (self._new / name).rename(self._place / name)
        for name, path in patterns.items():
            target = self._place / _patterns_name(name)
            self._folder(target.parent)
            remove(target)
            shutil.copyfile(path, target)
        copy_policy(config.spec.path, self._place / SPEC)
        put_card(config, self._place)
        told = {
            n: {k: v for k, v in vars(s).items() if k != "table"} for n, s in self.sources.items()
        }
        self.clear()
        kept = (path for path in files_below(self._place) if path != self._place / SOURCES)
        held = {"sources": told, "keys": self._keys, "files": marks_of(self._place, kept)}
        write_sealed(self._place / SOURCES, held | {"leaks": self._leaks})

    def clear(self) -> None:
        """Removes what was taken and not put in place."""
        remove(self._new)

    def _folder(self, place: Path) -> None:
        if place != self._place and (place.is_symlink() or not place.is_dir()):
            remove(place)
        place.mkdir(parents=True, exist_ok=True)


def _digest_of(path: Path) -> str:
    """Of a file, or of the files of a folder or pattern, with their names. Raises InputError where there is none."""
    if path.is_file():
        return file_digest(path)
    return digest([[str(file.path), file_digest(file.path)] for file in rows_files(path)])


def few_of(rows: Iterable[_Row], most: int) -> list[_Row]:
    """At most so many of the rows, of each category in turn, in their order. All are read, so that all are checked."""
    found: dict[str, list[tuple[int, _Row]]] = defaultdict(list)
    for number, row in enumerate(rows):
        of = found[row.category if isinstance(row, Prompt) else ""]
        if len(of) < most:
            of.append((number, row))
    in_turn = (each for nth in zip_longest(*found.values()) for each in nth if each is not None)
    return [row for _, row in sorted(islice(in_turn, most), key=itemgetter(0))]


def _line_ends(path: Path) -> int:
    """How many lines a file has, as far as that can be told without reading it as rows."""
    try:
        plain = [file.path for file in rows_files(path) if file.is_plain]
    except InputError:
        # A form that its reader alone knows; what is wrong with another one the reader tells.
        return 0
    ends = 0
    for each in plain:
        with each.open("rb") as file:
            ends += sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    return ends


def shown_of(project: Project, *sources: Source) -> dict[str, str]:
    """The hash of spec(category) for each category of these prompts: all that a model sees of the policy."""
    from dalign.spec.hashes import shown_hashes

    shown = shown_hashes(project.spec)
    names = {name for source in sources for name in source.categories}
    return {name: shown[name] for name in sorted(names)}


def left_out(project: Project) -> Iterator[str]:
    """A sentence for each category whose examples the budget keeps out of prompts."""
    most = project.config.spec.max_tokens
    for name in project.spec.names if project.templates.budget is not None else ():
        found = project.templates.fitted(project.spec, name).left_out
        if found:
            yield (
                f"spec({name}) leaves out {sum(found.values())} examples to fit spec.max_tokens = {most}, "
                f"of {', '.join(found)}"
            )
