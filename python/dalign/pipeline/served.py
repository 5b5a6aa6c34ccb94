"""The models that servers serve, known by what the servers say of them: another one under the same name is noticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from dalign.config import Config, Model
from dalign.errors import InputError
from dalign.models.engines.open import kind_of
from dalign.models.engines.served import differences
from dalign.store.ledger import MODELS, SERVED, kept_text
from dalign.store.run import RunFolder
from dalign.text import short

# Of a role: the fingerprint by name alone, that by what was said, the address, and what was said.
Note = Mapping[str, Any]


def noted(run: RunFolder) -> dict[str, Note]:
    """What a run has noted of its servers' models, by role; nothing where it has not, or where that is damaged."""
    found: dict[str, Any] = {}
    for name in (MODELS, SERVED):
        with suppress(InputError, OSError, ValueError):
            found |= json.loads(kept_text(run.path, name))
    # A run of an earlier dalign knows them by their names alone.
    return {
        role: {"named": note, "fingerprint": note, "card": None, "address": None}
        if isinstance(note, str)
        else note
        for role, note in found.items()
    }


def recognised(
    config: Config, before: Mapping[str, Note], say: Callable[[str], None]
) -> dict[str, Note]:
    """Notes on the models that servers serve, by role: `model` and `judge`. before: those of the run.

    A model that its server says to be another one has another fingerprint; one of which the server says nothing now
    keeps what it had, so that a finished run needs no server.
    """
    notes: dict[str, Note] = {}
    asked: dict[Model, Mapping[str, Any] | None] = {}
    roles = {"model": config.model, "judge": config.judge_of_record}
    if config.second_judge_model is not None:
        roles["second_judge"] = config.second_judge_model
    for role, model in roles.items():
        kind = kind_of(model)
        if kind.says is None:
            continue
        if model not in asked:
            asked[model] = kind.says(model)
        named, known = kind.fingerprint_of(model), before.get(role, {})
        mine = known if known.get("named") == named else {}
        note, changed = _note(named, mine, asked[model], model.base_url or "")
        notes[role] = note
        if changed and (role != "judge" or config.judge_model is not None):
            say(f"{role} {model.path!r}: {changed}")
    return notes


def fingerprints(notes: Mapping[str, Note]) -> dict[str, str]:
    """What the models are known by."""
    return {role: note["fingerprint"] for role, note in notes.items()}


def _note(
    named: str, known: Note, card: Mapping[str, Any] | None, address: str
) -> tuple[Note, str]:
    """A model's note, and what is to be said of a change. known: its note before, if it had one."""
    old: Mapping[str, Any] | None = known.get("card")
    note = {"named": named, "fingerprint": known.get("fingerprint", named), "card": card or old}
    note["address"] = address
    if card is None:
        moved = known.get("address") not in (None, address)
        told = f"now at {address} and not at {known.get('address')}, which does not say what it serves: the replies of both are taken for one model's"
        return note, told if moved else ""
    # A run that has noted nothing yet has what an earlier dalign has made, or nothing.
    others = differences(old, card) if old is not None else []
    if known and not others:
        return note, ""
    note["fingerprint"] = hashlib.sha256(
        f"{named} {json.dumps(card, sort_keys=True)}".encode()
    ).hexdigest()
    note["card"] = card
    if not others:
        return note, ""
    said = short("; ".join(others), 200)
    return (
        note,
        f"{address} says that it is another model than before ({said}); what that one replied is asked again",
    )
