"""Text of models and users: what a terminal, a page, a progress line and a JSON output show of it."""

from __future__ import annotations

import io
import json
import re
import unicodedata

import pytest
from dalign import progress
from dalign.cli import terminal
from dalign.report.markup import tag
from dalign.text import short, storable, visible, visible_json

# What it is, the character, how it is written, how JSON has it.
HOSTILE = [
    ("escape", "\x1b", "\\u001b", "\\u001b"),
    ("NUL", "\x00", "\\u0000", "\\u0000"),
    ("carriage return", "\r", "\\u000d", "\\r"),
    ("one byte CSI", "\x9b", "\\u009b", "\\u009b"),
    ("next line", "\x85", "\\u0085", "\\u0085"),
    ("delete", "\x7f", "\\u007f", "\\u007f"),
    ("right to left override", "\u202e", "\\u202e", "\\u202e"),
    ("isolate", "\u2066", "\\u2066", "\\u2066"),
    ("zero width space", "\u200b", "\\u200b", "\\u200b"),
    ("soft hyphen", "\u00ad", "\\u00ad", "\\u00ad"),
    ("line separator", "\u2028", "\\u2028", "\\u2028"),
    ("paragraph separator", "\u2029", "\\u2029", "\\u2029"),
    ("lone surrogate", "\ud800", "\\ud800", "\\ud800"),
    ("private use", "\ue000", "\\ue000", "\\ue000"),
    ("not assigned", "\u0378", "\\u0378", "\\u0378"),
    ("Hangul filler", "\u3164", "\\u3164", "\\u3164"),
    ("half width filler", "\uffa0", "\\uffa0", "\\uffa0"),
    ("blank Braille", "\u2800", "\\u2800", "\\u2800"),
    ("grapheme joiner", "\u034f", "\\u034f", "\\u034f"),
    ("Mongolian separator", "\u180e", "\\u180e", "\\u180e"),
    ("variation selector", "\ufe0f", "\\ufe0f", "\\ufe0f"),
    ("tag letter", "\U000e0041", "\\U000e0041", "\\udb40\\udc41"),
    ("blank note", "\U0001d159", "\\U0001d159", "\\ud834\\udd59"),
    ("private plane", "\U0010fffd", "\\U0010fffd", "\\udbff\\udffd"),
]  # fmt: skip
IDS = [name for name, *_ in HOSTILE]
CASES = [case[1:] for case in HOSTILE]


@pytest.mark.parametrize(("character", "written", "_"), CASES, ids=IDS)
def test_a_terminal_is_shown_what_it_must_not_obey(character, written, _, capsys) -> None:
    terminal.tell(f"a{character}b")
    terminal.warn(f"a{character}b")
    terminal.tell(f"a{character}b", "bold")
    out, err = capsys.readouterr()
    assert out == f"a{written}b\n" * 2
    assert err == f"a{written}b\n"


@pytest.mark.parametrize(("character", "written", "_"), CASES, ids=IDS)
def test_a_page_shows_it_in_texts_and_in_attributes(character, written, _) -> None:
    assert tag("p", f"a{character}b", title=character) == f'<p title="{written}">a{written}b</p>'


@pytest.mark.parametrize(("character", "written", "_"), CASES, ids=IDS)
@pytest.mark.parametrize("kind", [progress.Lines, progress.Bars])
def test_progress_shows_it_in_names_notes_and_sentences(
    kind, character, written, _, capsys
) -> None:
    shown = kind()
    shown.start(f"a{character}b", 2)
    shown.finish(f"a{character}b", f"c{character}d")
    shown.say(f"e{character}f")
    err = capsys.readouterr().err
    for text in (f"a{written}b", f"c{written}d", f"e{written}f"):
        assert text in err
    assert character not in err


@pytest.mark.parametrize(("character", "_", "written"), CASES, ids=IDS)
def test_json_has_it_as_an_escape_and_reads_back_as_it_was(character, _, written, capsys) -> None:
    value = {f"k{character}": [f"a{character}\n\tb"]}
    terminal.tell_json(value, indent=1)
    out, _ = capsys.readouterr()
    assert f"a{written}\\n\\tb" in out and character not in out
    assert json.loads(out) == value


def test_progress_reads_no_markup_in_names_and_notes(capsys) -> None:
    shown = progress.Bars()
    shown.start("[/red]", 2)
    shown._began["[/red]"] = -10.0  # a bar shows after two seconds
    shown.advance("[/red]", 1, "[/x]")
    shown.finish("[/red]", "[/x]")
    assert "[/red]: done" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "plain\n\ttext", "naïve 漢字 🙂 é", "a\u00a0b", "\\u202e"])
def test_what_can_be_seen_stays(text: str) -> None:
    assert visible(text) == text
    assert visible_json(text) == json.dumps(text, ensure_ascii=False)


def test_no_character_of_unicode_passes_unseen() -> None:
    everything = "".join(map(chr, range(0x110000)))
    hidden = re.compile("[\u115f\u1160\u3164\uffa0\u2800]")
    shown = visible(everything)
    assert not hidden.search(shown)
    assert {unicodedata.category(c) for c in set(shown) - set("\n\t")}.isdisjoint(
        {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    )
    shown.encode()


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("", ""),
        ("as it was\r\n\x1b🙂", "as it was\r\n\x1b🙂"),
        ("a\ud800b", "a\ufffdb"),
        ("\udfff", "\ufffd"),
        ("a\x00b", "a\ufffdb"),
        ("\ud83d\ude00", "\ufffd\ufffd"),  # two halves that no decoder has joined
    ],
)
def test_what_no_file_can_hold_is_replaced_where_it_enters(text: str, stored: str) -> None:
    assert storable(text) == stored
    storable(text).encode()


@pytest.mark.parametrize(
    ("length", "most", "wanted"),
    [(0, 60, ""), (59, 60, "x" * 59), (60, 60, "x" * 60), (61, 60, "x" * 59 + "…"), (5, 3, "xx…")],
)
def test_a_text_is_cut_to_its_most(length: int, most: int, wanted: str) -> None:
    assert short("x" * length, most) == wanted


def test_an_error_message_cannot_steer_the_terminal(dalign) -> None:
    code, _, err = dalign("run", "--run", "a\x1b[2J\u2028b")
    assert code == 1
    assert "\x1b" not in err and "a\\u001b[2J\\u2028b" in err


def test_output_of_a_lone_surrogate_does_not_raise(monkeypatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr("sys.stdout", stream)
    terminal.tell("a judge's \ud800")
    terminal.tell("a judge's \ud800", "red")
    terminal.tell_json({"reason": "\ud800"})
    stream.flush()
    assert stream.buffer.getvalue().count(b"\\ud800") == 3
