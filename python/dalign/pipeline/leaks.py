"""Training rows that hold evaluation prompts: what was trained on is no test."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from dalign.overlap import SharedWords
from dalign.rows import own_words
from dalign.store.parts import Table
from dalign.vocabulary import CONTAMINATION_WORDS, trainings

CAPABILITY = "capability"


@dataclass(frozen=True)
class Leak:
    """How many rows of a file that is trained on hold a prompt of a suite, or many of its words in a row. first: an id."""

    source: str
    suite: str
    rows: int
    of: int
    first: str

    def __str__(self) -> str:
        return (
            f"{self.rows} of {self.of} rows of data.{self.source} hold a prompt of suite '{self.suite}', or {CONTAMINATION_WORDS} words in a row of one "
            f"(first: {self.first}); what is trained on is no test: take these rows out (dalign data decontaminate), or evaluate on other prompts"
        )


def trained_on(arms: Collection[str], *, has_rl_prompts: bool) -> list[str]:
    """The files of a project whose rows some of these arms are trained on."""
    fine_tuned, distilled, reinforced = (
        trainings(kind, list(arms)) for kind in ("sft", "distill", "rl")
    )
    found = {
        "prompts": bool(fine_tuned or distilled) or (bool(reinforced) and not has_rl_prompts),
        "rl_prompts": bool(reinforced) and has_rl_prompts,
        CAPABILITY: bool(fine_tuned),
    }
    return [name for name, is_trained_on in found.items() if is_trained_on]


def leaks_between(
    training: Mapping[str, Table], suites: Mapping[str, Table], part_rows: int
) -> list[Leak]:
    """Of each training file and each suite, where any of its rows leaks. What users say is compared, all turns of it."""
    if not training:
        return []
    indexes = {
        suite: SharedWords(pl.concat(texts), CONTAMINATION_WORDS)
        for suite, table in suites.items()
        if (texts := [part["asked"] for part in _asked(table, part_rows)])
    }
    found: dict[tuple[str, str], tuple[int, str]] = {}
    sizes = dict.fromkeys(training, 0)
    for source, table in training.items():
        for part in _asked(table, part_rows):
            sizes[source] += part.height
            for suite, index in indexes.items():
                hits = part.filter(index.of(part["asked"])["reference"].is_not_null())
                if hits.height:
                    rows, first = found.get((source, suite), (0, hits["id"][0]))
                    found[source, suite] = (rows + hits.height, first)
    return [
        Leak(source, suite, rows, sizes[source], first)
        for (source, suite), (rows, first) in found.items()
    ]


def _asked(table: Table, part_rows: int) -> Iterator[pl.DataFrame]:
    """Columns id and asked, what the user says, of a table of conversations."""
    for part in table.chunks(part_rows, ["id", "messages"]):
        yield part.select("id").with_columns(own_words(part["messages"], "user").alias("asked"))
