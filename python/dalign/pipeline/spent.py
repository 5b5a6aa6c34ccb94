"""What asking models has taken in a run, all its calls together: `RUN/spent.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dalign.errors import InputError
from dalign.models.spending import Spent, as_json, spent_of
from dalign.progress import Progress
from dalign.store.damage import is_run, reading
from dalign.store.ledger import SPENT, has_ledger, keep, kept_text, read_ledger
from dalign.store.run import RunFolder
from dalign.store.whole_files import json_text


def spent_in(run: RunFolder) -> dict[str, Spent]:
    """By stage and model; empty where nothing is known. Raises InputError where the file is damaged."""
    path = run.path / SPENT
    if not is_run(run.path) or not (path.exists() or _is_held(run)):
        return {}
    with reading(path):
        if _is_held(run):
            read_ledger(run.path).check(path)
        return {k: spent_of(v) for k, v in json.loads(kept_text(run.path, SPENT)).items()}


def _is_held(run: RunFolder) -> bool:
    return has_ledger(run.path) and read_ledger(run.path).holds(run.path / SPENT)


def spent_before(run: RunFolder, progress: Progress) -> dict[str, Spent]:
    """The same for a run that goes on: what nobody can tell any more is said, and counts from now on."""
    try:
        return spent_in(run)
    except InputError as error:
        progress.say(
            f"warning: {run.path / SPENT}: damaged ({error.value}): what was asked before is not known any more, and counts from now on"
        )
        return {}


def keep_spent(run: RunFolder, taken: Mapping[str, Spent]) -> None:
    """Writes it down."""
    if taken or (run.path / SPENT).exists():
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
