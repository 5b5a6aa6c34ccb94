"""A reply's line in a journal is what JSON would make of its fields, whatever they hold."""

from __future__ import annotations

import json
from pathlib import Path

from dalign.store.memory import Journal, Kept, Memory

REPLIES = [
    Kept("a", "0f", "plain", "stop", 1),
    Kept('id "quoted"\\', "", 'line\nfeed\ttab\r\b\f\\ "x" {} %s', "length", 0),
    Kept("é\u2028\U0001f600", "k" * 32, "\x00\x01\x1f\x7f\x85\u200b</script>", "error", 2**32 - 1),
]


def test_replies_are_journalled_as_rows_are(tmp_path: Path) -> None:
    Memory(tmp_path / "fast").append(REPLIES)
    rows = Journal(tmp_path / "rows.jsonl")
    rows.append([reply._asdict() for reply in REPLIES])
    written = (tmp_path / "fast/journal.jsonl").read_bytes()
    assert written == rows.path.read_bytes()
    assert [json.loads(line)["text"] for line in written.splitlines()] == [r.text for r in REPLIES]
