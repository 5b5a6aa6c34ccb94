"""What asking models has taken in a run, all its calls together: `RUN/spent.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dalign.models.spending import Spent, as_json, spent_of
from dalign.store.damage import is_run, reading
from dalign.store.ledger import SPENT, has_ledger, keep, read_ledger
from dalign.store.run import RunFolder
from dalign.store.whole_files import json_text


def spent_in(run: RunFolder) -> dict[str, Spent]:
    """By stage and model; empty where nothing is known. Raises InputError where the file is damaged."""
    path = run.path / SPENT
    if not is_run(run.path) or not has_ledger(run.path) or not read_ledger(run.path).holds(path):
        return {}
    with reading(path):
        text = read_ledger(run.path).check(path).read_text("utf-8")
        return {key: spent_of(value) for key, value in json.loads(text).items()}


def keep_spent(run: RunFolder, taken: Mapping[str, Spent]) -> None:
    """Writes it down."""
    if taken:
        keep(run.path, {SPENT: json_text({key: as_json(taken[key]) for key in sorted(taken)})})


def total(taken: Mapping[str, Spent]) -> Spent:
    """All of it."""
    return sum(taken.values(), Spent())


def in_words(taken: Mapping[str, Spent]) -> str:
    """One line for a user; empty where no model was asked."""
    all_of_it = total(taken)
    if not all_of_it.requests:
        return ""
    words = [
        f"{all_of_it.requests:,} requests",
        f"{all_of_it.read:,} tokens read",
        f"{all_of_it.written:,} written",
    ]
    return ", ".join([*words, *([f"{all_of_it.money:,.2f} spent"] if all_of_it.money else [])])
