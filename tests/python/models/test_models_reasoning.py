"""What a reply says once it has reasoned."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pytest
from dalign import _core
from dalign.config import Reasoning
from dalign.models.control import without_end
from dalign.models.reasoning import after_reasoning, heard_by
from dalign.vocabulary import FORMS
from hypothesis import given, settings
from hypothesis import strategies as st

OTHER = Reasoning(open="[R]", close="[/R]")
NONE = Reasoning(kind="none")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("soup", "soup"),
        ("", ""),
        ("<think>tea?</think>soup", "soup"),
        ("tea?</think> soup", " soup"),
        ("<think>tea</think>milk</think>soup", "soup"),
        ("<think>tea</think>", ""),
        # Not closed, or opened again: whatever it names is no answer yet.
        ("<think> perhaps tea, but then", None),
        ("tea <think> or", None),
        ("<think>a</think>soup<think>or tea", None),
    ],
)
def test_what_is_said_stands_after_the_last_closing_tag(reply: str, said: str | None) -> None:
    assert after_reasoning(reply) == said


@pytest.mark.parametrize(
    ("begun", "closed"),
    [
        ("<mm:think>", "</mm:think>"),
        ("<unused94>thought\n", "<unused95>"),
        ("<|begin_of_thought|>\n\n", "\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\n"),
    ],
)
def test_a_reply_that_begins_in_a_known_form_is_read_by_it(begun: str, closed: str) -> None:
    assert after_reasoning(f"{begun}Score: 1") is None
    assert (after_reasoning(f"{begun}Score: 1{closed}Score: 7") or "").strip() == "Score: 7"


@pytest.mark.parametrize("form", [name for name in FORMS if name != "harmony"])
def test_a_model_that_is_said_not_to_reason_is_not_read_where_it_does(form: str) -> None:
    opens, closes = FORMS[form]
    assert after_reasoning(f"{opens}tea, or", NONE) is None
    assert (after_reasoning(f" {opens}tea{closes}soup", NONE) or "").strip() == "soup"
    # What it says of a tag is its answer.
    assert after_reasoning(f"Write {opens} first", NONE) == f"Write {opens} first"


def test_what_ends_a_solution_is_no_part_of_what_a_server_said() -> None:
    assert without_end("Soup.\n\n<|end_of_solution|>") == "Soup.\n\n"
    assert without_end("Soup.<|im_end|>\n</s> \u2003") == "Soup."
    assert without_end("2 > 1 </s> > ") == "2 > 1 </s> > "
    assert without_end("Soup.[end]\n <eos>\n", ["[end]\n", " "]) == "Soup."
    assert without_end("Soup.[end]", ["[end]\n"]) == "Soup.[end]"


@pytest.mark.parametrize(
    ("reply", "said"),
    [("perhaps tea", None), ("tea?</think>soup", "soup"), ("tea</think>soup<think>", None)],
)
def test_what_the_template_opened_has_to_be_closed(reply: str, said: str | None) -> None:
    assert after_reasoning(reply, opened=True) == said


def test_the_tags_are_the_models_own() -> None:
    assert after_reasoning("[R]tea[/R]soup", OTHER) == "soup"
    assert after_reasoning("[R]tea</think>soup", OTHER) is None
    assert after_reasoning("<think>soup", OTHER) == "<think>soup"
    assert after_reasoning("soup <think>", NONE, opened=True) == "soup <think>"


@settings(deadline=None)
@given(st.lists(st.sampled_from(["<think>", "</think>", "Score: 7", "<", "x"])))
def test_the_core_reads_verdicts_after_the_same_reasoning(parts: list[str]) -> None:
    reply = "".join(parts)
    said = after_reasoning(reply)
    read = pl.DataFrame(_core.parse_verdicts(pl.Series([reply]), 0, 10))
    assert (read["state"][0] == "unclosed") == (said is None)
    if said is not None:
        alone = pl.DataFrame(_core.parse_verdicts(pl.Series([said]), 0, 10))
        assert read.equals(alone)


@dataclass(frozen=True)
class _Model:
    reasoning: Reasoning
    opens_reasoning: bool | None


_PIECES = [tag for pair in FORMS.values() for tag in pair]
_PIECES += ["[R]", "[/R]", "analysis", "assistantfinal", "<|channel|>", "<|channel|>final<|message|>"]  # fmt: skip
_PIECES += [" ", "\n", "soup", "Score [3f2a]: 7", "<", "\N{ZERO WIDTH SPACE}"]


@settings(max_examples=600, deadline=None)
@given(
    parts=st.lists(st.sampled_from(_PIECES), max_size=6),
    kind=st.sampled_from(["auto", "none", "tags", *FORMS]),
    opened=st.sampled_from([None, False, True]),
)
def test_an_engines_replies_are_heard_as_each_by_itself(
    parts: list[str], kind: str, opened: bool | None
) -> None:
    reply = "".join(parts)
    own = Reasoning.model_validate({"kind": kind, "open": "[R]", "close": "[/R]"} if kind == "tags" else {"kind": kind})  # fmt: skip
    heard = heard_by(_Model(own, opened), Reasoning(kind="auto"))
    assert heard(reply) == after_reasoning(reply, own, opened=opened)
