"""JSONL files of any size: batches of rows in, kept lines out as they stood, dropped rows beside."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from dalign.data.jsonl import short
from dalign.data.row_batch import Batch, Decision, ObjectBatch
from dalign.errors import InputError

_BOM = b"\xef\xbb\xbf"


class JsonlRows:
    """The rows of a JSONL file. batch_bytes: of lines in a batch, about."""

    suffix = ".jsonl"

    def __init__(self, path: Path, batch_bytes: int) -> None:
        self.path = path
        self.size_bytes = path.stat().st_size
        self._batch_bytes = batch_bytes

    def batches(self, fields: Sequence[str] | None) -> Iterator[tuple[Batch, int]]:
        """Batches, each with the bytes of the file read so far. Blank lines are no rows. fields: those needed; None for all."""
        del fields
        first_row, line = 0, 0
        with self.path.open("rb") as file:
            while block := file.readlines(self._batch_bytes):
                batch = self._batch(block, line, first_row)
                first_row += batch.rows
                line += len(block)
                if batch.rows:
                    yield batch, file.tell()

    def _batch(self, block: Sequence[bytes], line: int, first_row: int) -> ObjectBatch:
        values, raw, lines = [], [], []
        for number, text in enumerate(block, line + 1):
            data = text.removeprefix(_BOM) if number == 1 else text
            if not data.strip():
                continue
            values.append(self._object(data, number))
            raw.append(data)
            lines.append(number)
        return ObjectBatch(values, raw, lines, first_row, str(self.path))

    def _object(self, data: bytes, number: int) -> dict[str, object]:
        try:
            value = json.loads(data)
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.path}:{number}: not UTF-8 (byte {error.start} of the line); save the file as UTF-8"
            ) from error
        except (ValueError, RecursionError) as error:
            text = short(data.decode("utf-8", "replace").strip())
            raise InputError(
                f"{self.path}:{number}: not JSON ({text!r}); write one JSON object a line"
            ) from error
        if not isinstance(value, dict):
            raise InputError(
                f"{self.path}:{number}: not a JSON object ({short(json.dumps(value))}); write one a line"
            )
        return value

    def sink(self, out: Path, dropped: Path) -> JsonlSink:
        """Where kept and dropped rows are written."""
        return JsonlSink(out, dropped)


class JsonlSink:
    """Writes kept lines and dropped rows, both files whole or not at all."""

    def __init__(self, out: Path, dropped: Path) -> None:
        self._places = [
            (out, out.with_name(out.name + ".tmp")),
            (dropped, dropped.with_name(dropped.name + ".tmp")),
        ]
        self._files: list[BinaryIO] = [temporary.open("wb") for _, temporary in self._places]

    def write(self, batch: Batch, decision: Decision) -> None:
        """Writes a batch's rows, each where its decision says."""
        assert isinstance(batch, ObjectBatch)
        kept, dropped = self._files
        if decision.keep.all():
            kept.writelines(map(_line, batch.raw))
            return
        rows = zip(
            batch.raw,
            batch.lines,
            decision.reasons.to_list(),
            decision.details.to_list(),
            strict=True,
        )
        for raw, line, reason, detail in rows:
            if reason is None:
                kept.write(_line(raw))
            else:
                dropped.write(_dropped_line(line, reason, detail, raw))

    def finish(self) -> None:
        """Puts both files in their places, the rows last: where they are, all is."""
        for file in self._files:
            file.close()
        for place, temporary in reversed(self._places):
            os.replace(temporary, place)

    def abort(self) -> None:
        """Leaves nothing behind."""
        for file in self._files:
            file.close()
        for _, temporary in self._places:
            temporary.unlink(missing_ok=True)


def _line(raw: bytes) -> bytes:
    """The line with its end, which the last one of a file may lack."""
    return raw if raw.endswith(b"\n") else raw + b"\n"


def _dropped_line(line: int, reason: str, detail: str | None, raw: bytes) -> bytes:
    head = json.dumps({"line": line, "reason": reason, "detail": detail}, ensure_ascii=False)
    return b'%s, "row": %s}\n' % (head[:-1].encode(), raw.strip())
