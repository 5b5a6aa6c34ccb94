"""What the user brings, read once: policy, templates, prompts, suites, capability rows; kept in the run's folder."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from dalign.config import Config
from dalign.data.adapters import adapter
from dalign.data.capability import capability_rows
from dalign.data.patterns import Patterns, read_patterns
from dalign.errors import InputError, naming
from dalign.rows import CapabilityRow, Columns, Prompt, table
from dalign.spec.files import copy_policy
from dalign.spec.parse import load_spec
from dalign.spec.templates import Budget, Templates, load_templates
from dalign.spec.types import GENERAL, Spec
from dalign.store.damage import damaged, read_object, reading
from dalign.store.parts import PartWriter, Table
from dalign.store.whole_files import digest, file_digest, write_json

SOURCES = "sources.json"
SPEC = "spec"
_Row = TypeVar("_Row", Prompt, CapabilityRow)


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
    """A run's inputs, checked. patterns: of the suites that have some; rl_prompts: the prompts, unless RL has its own."""

    config: Config
    spec: Spec
    templates: Templates
    prompts: Source
    rl_prompts: Source
    capability: Source | None
    suites: Mapping[str, Source]
    patterns: Mapping[str, Patterns]
    patterns_sha256: Mapping[str, str]


def bring_in(config: Config, place: Path, budget: Budget | None) -> Project:
    """Reads and checks all that the config names, and keeps it in `place`. A file that is there as it was is not read again.

    Raises InputError, which names file, line, value and way out.
    """
    if not config.evaluate.suites:
        raise InputError(
            "evaluate.suites names no suite, so nothing could be shown of the arms; add one: [[evaluate.suites]] with name and path",
            kind="no_suites",
        )
    spec = load_spec(config.spec.path)
    load_templates(config.spec.path, budget)
    for suite in config.evaluate.suites:
        if suite.patterns is not None:
            read_patterns(suite.patterns)
    known = digest([spec.names, sorted(clause.id for clause in spec.clauses())])
    kept = _Kept(place, config.run.part_rows)
    for name, (path, form) in _prompt_files(config).items():
        kept.take(name, path, Prompt.COLUMNS, digest([known, form]), adapter(form, spec))
    if config.data.capability is not None:
        kept.take("capability", config.data.capability, CapabilityRow.COLUMNS, "", capability_rows)
    for suite in config.evaluate.suites:
        if suite.patterns is not None:
            kept.copy(_patterns_name(suite.name), suite.patterns)
    copy_policy(config.spec.path, place / SPEC)
    kept.write()
    return read_project(config, place, budget)


def _prompt_files(config: Config) -> dict[str, tuple[Path, str]]:
    """The files of prompts with their forms, by the names that they have in a run."""
    own = {"prompts": config.data.prompts, "rl_prompts": config.data.rl_prompts}
    files = {name: (path, "prompts") for name, path in own.items() if path is not None}
    return files | {f"suites/{s.name}": (s.path, s.format) for s in config.evaluate.suites}


def _patterns_name(suite: str) -> str:
    return f"patterns/{suite}.toml"


def read_project(config: Config, place: Path, budget: Budget | None = None) -> Project:
    """What `bring_in` has kept; reads no file of the user's. budget: of the templates, where prompts are rendered."""
    path = place / SOURCES
    if not path.is_file():
        raise InputError(
            f"{place}: the run's prompts and policy are not here; run it first (dalign run --run {place.parent})",
            path=place,
        )
    with reading(path):
        told = read_object(path)["sources"]
        sources = {name: Source(Table(place / name), **values) for name, values in told.items()}
        suites = {suite.name: sources[f"suites/{suite.name}"] for suite in config.evaluate.suites}
        prompts = sources["prompts"]
    with_patterns = [suite.name for suite in config.evaluate.suites if suite.patterns is not None]
    return Project(
        config,
        load_spec(place / SPEC),
        load_templates(place / SPEC, budget),
        prompts,
        sources.get("rl_prompts", prompts),
        sources.get("capability"),
        suites,
        {name: read_patterns(place / _patterns_name(name)) for name in with_patterns},
        {name: file_digest(place / _patterns_name(name)) for name in with_patterns},
    )


class _Kept:
    """The files as the run's folder holds them; those that are no longer named go."""

    def __init__(self, place: Path, part_rows: int) -> None:
        self._place, self._part_rows = place, part_rows
        path = place / SOURCES
        held = read_object(path) if path.is_file() else {}
        self._before, self._told = held.get("keys", {}), held.get("sources", {})
        if not (isinstance(self._before, dict) and isinstance(self._told, dict)):
            raise damaged(path, "not what a run writes there")
        self._keys: dict[str, str] = {}
        self._sources: dict[str, dict[str, object]] = {}
        self._files: set[str] = set()

    def take(
        self,
        name: str,
        path: Path,
        columns: Columns,
        known: str,
        read: Callable[[Path], Iterator[_Row]],
    ) -> None:
        """Keeps a file of rows, in parts. known: what its rows may name; they are checked again when that changes."""
        sha256 = file_digest(path) if path.is_file() else ""
        self._keys[name] = digest([sha256, known])
        if self._before.get(name) == self._keys[name]:
            self._sources[name] = self._told[name]
            return
        folder = self._place / f"{name}.partial"
        shutil.rmtree(folder, ignore_errors=True)
        categories, clauses = Counter[str](), Counter[str]()
        writer = PartWriter(Table(folder), self._part_rows)
        waiting: list[_Row] = []
        for row in read(path):
            if isinstance(row, Prompt):
                categories[row.category] += 1
                if row.expected is not None and row.expected.clause is not None:
                    clauses[row.expected.clause] += 1
            waiting.append(row)
            if len(waiting) >= self._part_rows:
                writer.add(table(columns, [row.row for row in waiting]))
                waiting = []
        writer.add(table(columns, [row.row for row in waiting]))
        writer.end(table(columns))
        shutil.rmtree(self._place / name, ignore_errors=True)
        folder.rename(self._place / name)
        self._sources[name] = {
            "sha256": sha256,
            "rows": writer.written,
            "categories": dict(sorted(categories.items())),
            "clauses": dict(sorted(clauses.items())),
        }

    def copy(self, name: str, path: Path) -> None:
        """Keeps a file as it is."""
        target = self._place / name
        with naming(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)

    def write(self) -> None:
        """Notes what is kept."""
        for name in self._told.keys() - self._sources.keys():
            shutil.rmtree(self._place / name, ignore_errors=True)
        write_json(self._place / SOURCES, {"sources": self._sources, "keys": self._keys})


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


def categories_of(spec: Spec) -> tuple[str, ...]:
    """Every category that a prompt may have."""
    return (*spec.names, GENERAL)
