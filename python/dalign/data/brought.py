"""Completions and examples that were made elsewhere, from JSONL: each names its prompt among those of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import get_args

from dalign.data.jsonl import RowError, messages_field, no_slips, rows_of, text_field, turns
from dalign.errors import did_you_mean
from dalign.files import chat
from dalign.rows import Brought, Finish, Message, messages_json
from dalign.text import short

_KEYS = ("prompt_id", "prompt", "messages", "completion", "reasoning", "answer", "finish")
_PLACES = ("prompt_id", "prompt", "messages")


def brought_rows(path: Path, prompts: Mapping[str, str], *, of_others: bool) -> Iterator[Brought]:
    """The completions of a JSONL file, in its order. prompts: the id of each prompt by its id and by its messages (JSON).

    A row names its prompt by `prompt_id`, by the text or the turns of `prompt`, or by `messages` or `conversations`, which may
    end on the assistant's turn; it has the whole `completion` as the model wrote it, a text or a turn, or `answer`, and `reasoning`
    if there is some. Further keys are passed over, but for slips.
    of_others: there may be completions of other prompts, which are passed over.
    Raises InputError, which names line, value and way out, for the first line that is none.
    """
    number = count()
    # Two equal completions of a prompt are two.
    parse = partial(_row, prompts=prompts, of_others=of_others)
    rows = rows_of(path, parse, lambda _: str(next(number)), as_is=True)
    return (row for row in rows if row.prompt_id)


def _row(row: Mapping[str, object], prompts: Mapping[str, str], of_others: bool) -> Brought:
    no_slips(row, _KEYS, "the row")
    row = _spelt(row)
    given = [key for key in _PLACES if row.get(key) is not None]
    if len(given) != 1:
        known = ", ".join(_PLACES)
        what = f"names its prompt twice ({', '.join(given)})" if given else "names no prompt"
        raise RowError(f"{what}; give one of {known}", "missing_key")
    conversation, told = _conversation(row)
    name = text_field(row, "prompt_id", "prompt_id") or messages_json(conversation)
    if name not in prompts and not of_others:
        shown = short(name if row.get("prompt_id") else conversation[-1]["content"])
        what = f"is a completion of no prompt in data.prompts ({shown!r}); add the prompt there, with its category"
        raise RowError(what, "unknown_choice", given[0], name)
    texts = {key: text_field({**told, **row}, key, key) for key in _KEYS[3:]}
    whole, answer = texts["completion"], texts["answer"]
    if (whole is None) == (answer is None):
        said = "has both a completion and an answer" if whole else "has no completion"
        raise RowError(f"{said}; give completion, or answer and reasoning", "missing_key")
    if whole is not None and texts["reasoning"] is not None:
        raise RowError("has both a completion and a reasoning; the completion holds its reasoning")
    finish, known_ends = texts["finish"] or "stop", get_args(Finish)
    if finish not in known_ends:
        what = f"unknown finish {finish!r}; {did_you_mean(finish, known_ends)}"
        raise RowError(what, "unknown_choice", "finish", finish)
    return Brought(
        prompts.get(name, ""), whole or answer or "", texts["reasoning"], finish, whole is None
    )


def _spelt(row: Mapping[str, object]) -> dict[str, object]:
    """The row with turns under `messages` alone, and the completion that one turn is as texts."""
    found = dict(row)
    for name in (*chat.WHOLE, "prompt"):
        turns = chat.turns_of(found.get(name))
        if turns is not None and (name == "messages" or "messages" not in found):
            del found[name]
            found["messages"] = turns
    made = chat.turns_of(found.get("completion")) or []
    told = [chat.with_thought(turn) for turn in made if isinstance(turn, dict)]
    if len(told) == 1 and (why := chat.untrained(told[0])):
        raise RowError(f"completion {why}", "bad_field")
    match told:
        case [{"role": "assistant", "content": text, "reasoning": thought}]:
            found |= {"completion": None, "answer": text, "reasoning": thought}
        case [{"role": "assistant", "content": text}]:
            found["completion"] = text
    return found


def _conversation(row: Mapping[str, object]) -> tuple[tuple[Message, ...], Mapping[str, object]]:
    """The prompt's conversation, and what an assistant's turn at its end says."""
    text = text_field(row, "prompt", "prompt")
    if text is not None:
        return (Message(role="user", content=text),), {}
    if row.get("messages") is None:
        return (Message(role="user", content=""),), {}
    messages = messages_field(row)
    last = messages[-1]
    if last["role"] != "assistant" or len(messages) < 2:
        return turns(messages), {}
    if why := chat.untrained(last):
        raise RowError(f"messages[{len(messages) - 1}] {why}", "bad_field")
    told = {"answer": last["content"], "reasoning": last.get("reasoning")}
    return turns(messages[:-1]), told
