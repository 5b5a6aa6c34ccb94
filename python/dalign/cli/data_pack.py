"""`dalign data pack`: opens the tokenizer and the files, packs, tells the counts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dalign.cli.data.told import tell
from dalign.data.row_packing import NO_FORM, SCHEMA, OverLong, Packer, Render, read_texts
from dalign.errors import InputError
from dalign.files.parquet import ParquetWriter
from dalign.files.sift import (
    Counts,
    FileJob,
    RowFile,
    check_any,
    check_out,
    dropped_path,
    open_rows,
    open_sink,
    watched,
)
from dalign.files.tokenizer import open_tokenizer

# Bytes that a buffered token takes on its way to a bin: ids, mask, row, and their packed copies.
TOKEN_BYTES = 96
# Text becomes up to one token a byte, of which each takes some forty bytes until it is buffered.
BATCH_SHARE = 256
OVER_LONG: tuple[OverLong, ...] = ("error", "drop", "mask")


def pack_rows(
    job: FileJob,
    tokenizer: Path,
    capacity: int,
    over_long: str,
    buffer_tokens: int | None,
    end: str,
    *,
    as_json: bool,
) -> None:
    """Tokenises and packs the rows of a file into bins of `capacity` tokens."""
    rule = next((rule for rule in OVER_LONG if rule == over_long), None)
    if rule is None:
        raise InputError(f"--over-long {over_long}: choose {', '.join(OVER_LONG)}")
    source = open_rows(job.source, job.memory_mib, BATCH_SHARE)
    check_out(job.source, job.out, force=job.force, suffix=".parquet")
    if buffer_tokens is None:
        buffer_tokens = (job.memory_mib << 20) // 2 // TOKEN_BYTES
    packer = Packer(open_tokenizer(tokenizer), capacity, rule, max(buffer_tokens, capacity))
    began, shown = time.monotonic(), job.progress
    rows, dropped, render = 0, 0, None
    with open_sink(source, None, dropped_path(job.out, source.suffix)) as sink:
        writer = ParquetWriter(job.out, SCHEMA, (job.memory_mib << 20) // 16)
        try:
            batches = source.batches(_text_fields(source), whole=True)
            for batch in watched(source, batches, shown, job.name):
                if render is None and batch.has("messages"):
                    render = _renderer(tokenizer)
                decision, bins = packer.add(batch, read_texts(batch, render, end))
                for table in bins:
                    writer.write(table)
                sink.write(batch, decision)
                rows, dropped = rows + batch.rows, dropped + int((~decision.keep).sum())
            check_any(source, rows)
            for table in packer.end():
                writer.write(table)
            writer.end()
            sink.finish()
            writer.place()
        except BaseException:
            writer.abort()
            raise
    tally = packer.tally
    padding = 1 - tally.tokens / max(1, tally.bins * capacity)
    shown.finish(job.name, f"{tally.bins} bins, {100 * padding:.2f} % padding")
    reasons = {"over_long": dropped} if dropped else {}
    counts = Counts(rows, rows - dropped, reasons, time.monotonic() - began)
    tell(job, counts, as_json=as_json, **vars(tally), padding=round(padding, 6))


def _text_fields(source: RowFile) -> list[str]:
    """The fields of plain texts that rows of this kind have, as the first row tells."""
    for batch, _ in source.batches([], whole=True):
        if batch.has("segments") or batch.has("messages"):
            return []
        if batch.has("prompt") or batch.has("completion"):
            return ["prompt", "completion"]
        raise batch.refuse(0, NO_FORM)
    return []


def _renderer(folder: Path) -> Render:
    """The chat template of a checkpoint: the conversation up to the last turn, then that turn, which is trained on."""
    if not folder.is_dir():
        raise InputError(
            f"{folder}: rows with messages need a chat template; give the checkpoint's folder as --tokenizer"
        )
    from dalign.models.checkpoint import load_tokenizer

    tokenizer = load_tokenizer(folder, False)

    def render(messages: Sequence[Mapping[str, Any]]) -> list[tuple[str, bool]]:
        turns = [dict(turn) for turn in messages]
        prompt = tokenizer.apply_chat_template(
            turns[:-1], add_generation_prompt=True, tokenize=False
        )
        whole = tokenizer.apply_chat_template(turns, tokenize=False)
        if not whole.startswith(prompt):
            raise InputError(
                "the chat template writes the conversation otherwise once it is answered; render it yourself into segments"
            )
        return [(prompt, False), (whole[len(prompt) :], True)]

    return render
