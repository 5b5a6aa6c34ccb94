"""What the body of a chat completion says, in the forms that servers give it, or why it says nothing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from dalign.models.protocol import Drawn
from dalign.rows import Finish

# What the column of token counts holds.
MOST_TOKENS = 2**32 - 1
# What a server's `usage` counts.
_COUNTS = ("completion_tokens", "prompt_tokens")
# Where servers put the reasoning, the first that has any.
_THOUGHTS = (
    *("reasoning_content", "reasoning", "thinking", "reasoning_details", "thinking_blocks"),
    *("reasoning_text", "thinking_content", "thought", "thoughts", "analysis"),
)
# Where a part of a message holds its words.
_WORDS = ("text", "thinking", "reasoning", "summary", "content", "value")
# Words for the end, in lower case with low lines. Unknown ones are taken for a stop, and told.
_STOPS = """stop stopped stop_sequence stop_token stop_str eos eos_token eos_found end end_turn
    end_of_turn end_of_text end_of_sequence finish finished complete completed done normal"""
_LENGTHS = """length max_length model_length max_tokens max_new_tokens max_output_tokens token_limit
    max_completion_tokens context_length context_length_exceeded model_context_window_exceeded
    incomplete truncated limit"""
# Nobody's whole answer: filtered, broken off, or a call of a tool in its place.
_ERRORS = """content_filter content_filtered filtered safety sensitive recitation blocklist blocked
    prohibited_content spii language guardrail_intervened guardrails refusal error error_toxic
    error_limit failed timeout abort aborted cancel cancelled canceled user_cancel network_error
    insufficient_system_resource server_error malformed_function_call malformed_response
    unexpected_tool_call tool_call tool_calls tool_use function_call pause_turn"""
_ENDS: dict[str, Finish] = {
    **dict.fromkeys(_STOPS.split(), "stop"),
    **dict.fromkeys(_LENGTHS.split(), "length"),
    **dict.fromkeys(_ERRORS.split(), "error"),
}


_UNTOLD = Drawn()


class Said(NamedTuple):
    """A completion. thought: reasoning that came apart. unknown: the word for its end, if nobody knows it.

    read: tokens of the prompt; 0 where the server's count is none. drawn: the tokens, as far as they are told.
    """

    thought: str
    text: str
    finish: Finish
    unknown: str
    tokens: int
    read: int = 0
    drawn: Drawn = Drawn()


def said(body: str, nth: int = 0) -> Said | None:
    """The completion that a response's body holds, or the nth of several; None where it holds none.

    A refusal in a field of its own is the text. tokens: 0 where the server's count is none. An unknown word for the end is a stop where there is a
    text, and an error where there is none. Of an error the text is the reason; a body that tells one beside no text is no completion.
    """
    try:
        whole = _JSON.decode(body)
        choice = whole["choices"][nth]
        # What continues a text is a text.
        message = choice["message"] if "message" in choice else {"content": choice["text"]}
        content, word = message.get("content"), choice.get("finish_reason")
        if not isinstance(content, str | list | dict | None):
            return None
        texts: dict[bool, str] = {True: "", False: ""}
        for is_thought, words in _parts(content):
            texts[is_thought] += words
        apart = _thought(message) or _thought(choice)
        refused = _words(message.get("refusal"))
        usage = whole.get("usage")
        counts = [usage.get(n) for n in _COUNTS] if isinstance(usage, dict) else [None, None]
        fault = _fault(whole)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return None
    thought, text = apart or texts[True], texts[False] or refused
    is_nothing = not (thought or text)
    if is_nothing and (fault or (content is None and not word)):
        return None
    known = "stop" if not word else _ENDS.get(_plain(word))
    finish: Finish = known or ("stop" if text else "error")
    if finish == "error":
        why = f"ended by {word!r}"
        thought, text = "", ": ".join(filter(None, [why, _told(fault), text or thought]))
    written, read = (c if type(c) is int and 0 <= c <= MOST_TOKENS else 0 for c in counts)
    drawn = _drawn(choice)
    return Said(thought, text, finish, "" if known else str(word), written, read, drawn)


def complaint(body: str) -> str:
    """What a server says of a request that it did not answer, on one line, printable; may be empty."""
    try:
        told = _told(_fault(_JSON.decode(body)))
    except (ValueError, RecursionError):
        told = ""
    told = told or body
    # A page or a flood of text is of no use beyond its start.
    return " ".join("".join(c if c.isprintable() else " " for c in told[:4000]).split())


def status_in(body: str) -> int | None:
    """The status of an error that a body alone tells, under another status; None where it tells none."""
    try:
        fault = _fault(_JSON.decode(body))
    except (ValueError, RecursionError):
        return None
    named = [str(fault.get(key)) for key in ("code", "status")] if isinstance(fault, dict) else []
    return next((int(str(code)) for code in named if re.fullmatch("[45][0-9][0-9]", code)), None)


def _drawn(choice: Mapping[str, Any]) -> Drawn:
    """The tokens of a choice, in the forms of chat and of plain completions; what is not as it should be is not told.

    Ids stand in the choice (vLLM, SGLang) or beside each token (llama.cpp).
    """
    told, ids = choice.get("logprobs"), choice.get("token_ids")
    if told is None and ids is None:
        return _UNTOLD
    if not isinstance(told, dict):
        told = {}
    each, logprobs = told.get("content"), told.get("token_logprobs")
    if isinstance(each, list) and all(isinstance(one, dict) for one in each):
        logprobs = [one.get("logprob") for one in each]
        ids = ids or [one.get("id") for one in each]
    # Rounding leaves some a little above 0.
    known = tuple(min(0.0, float(p)) for p in _numbers(logprobs, (int, float), -math.inf, 1e-3))
    numbers = tuple(_numbers(ids, (int,), 0, MOST_TOKENS))
    # Of two lengths, nobody could say which belongs to which.
    return Drawn() if known and numbers and len(known) != len(numbers) else Drawn(numbers, known)


def _numbers(values: Any, kinds: tuple[type, ...], least: float, most: float) -> list[Any]:
    """A list of finite numbers of these kinds, of which none is out of bounds; an empty one where it is anything else."""
    is_one = isinstance(values, list) and all(
        type(value) in kinds and least <= value <= most and math.isfinite(value) for value in values
    )
    return values if is_one else []


def _fault(whole: Any) -> Any:
    """What a body has under `error`, itself or in its choice; some are a list of one. Nothing where it tells none."""
    of = whole[0] if isinstance(whole, list) and whole else whole
    choices = of.get("choices") if isinstance(of, dict) else None
    within = choices[0] if isinstance(choices, list) and choices else None
    return next(
        (e for each in (of, within) if isinstance(each, dict) and (e := each.get("error"))), None
    )


def _told(fault: Any) -> str:
    """What an error says; nothing where it says nothing."""
    told = fault.get("message") if isinstance(fault, dict) else fault
    return str(told or "")


def _integer(digits: str) -> int:
    """An integer; -1 for one that is longer than any count, which Python may refuse to read."""
    return int(digits) if len(digits) < 20 else -1


_JSON = json.JSONDecoder(parse_int=_integer)


def _thought(of: dict[str, Any]) -> str:
    """The reasoning that a message or choice has in a field of its own; nothing where it has none."""
    if of.keys().isdisjoint(_THOUGHTS):
        return ""
    return next((words for name in _THOUGHTS if (words := _words(of.get(name)))), "")


def _plain(word: object) -> str:
    """`FinishReason.MAX_TOKENS` and `max-tokens` as max_tokens."""
    last = str(word).strip().casefold().rpartition(".")[2]
    return last.replace("-", "_").replace(" ", "_").removeprefix("finish_reason_")


def _parts(content: Any) -> Iterator[tuple[bool, str]]:
    """The parts of a message's content: whether it is reasoning, and its words."""
    for part in content if isinstance(content, list) else [content]:
        kind = str(part.get("type", "")) if isinstance(part, dict) else ""
        yield "thinking" in kind or "reasoning" in kind, _words(part)


def _words(part: Any) -> str:
    """The words of a part: a text, a list of parts, or an object that has them under one of the known keys."""
    if isinstance(part, str):
        return part
    if isinstance(part, list):
        return "".join(map(_words, part))
    if isinstance(part, dict):
        return next((words for name in _WORDS if (words := _words(part.get(name)))), "")
    return ""
