"""The rows of a JSONL or Parquet file, as texts to be packed and as a Parquet file of bins."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import polars as pl

from dalign.errors import InputError
from dalign.files.batch import Batch
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
from dalign.pack.packer import Capacity, OverLong, Packer, Segments, bin_schema

# A conversation that ends on the assistant, as the prompt and what is trained on.
Render = Callable[[Sequence[Mapping[str, Any]]], tuple[str, str]]

NO_FORM = "has neither prompt and completion, nor messages, nor segments; give one of these"
# Bytes that a buffered token takes on its way to a bin: ids, mask, row, and their packed copies.
TOKEN_BYTES = 96
# Text becomes up to one token a byte, of which each takes some forty bytes until it is buffered.
BATCH_SHARE = 256


def file_capacity(tokens: int, over_long: str) -> Capacity:
    """The capacity as the command's options say it. Raises InputError for a rule that there is not."""
    rule = next((rule for rule in get_args(OverLong) if rule == over_long), None)
    if rule is None:
        choices = ", ".join(get_args(OverLong))
        raise InputError(
            f"--over-long {over_long}: choose {choices}",
            kind="unknown_choice",
            key="over_long",
            value=over_long,
        )
    way_out = "raise it, or give --over-long drop or mask"
    return Capacity(tokens, rule, f"--capacity {tokens}", way_out)


def buffered_tokens(job: FileJob) -> int:
    """As many tokens as half of the memory buffers."""
    return job.memory_bytes // 2 // TOKEN_BYTES


def pack_file(
    job: FileJob, packer: Packer, open_render: Callable[[], Render], *, end: str
) -> Counts:
    """Packs a file's rows into a Parquet file of bins, which name rows by number; dropped rows stand beside it.

    open_render: called where rows have messages. end: a text after each completion, trained on. `packer.tally` tells
    what was packed.
    """
    source = open_rows(job.source, job.memory_mib, BATCH_SHARE)
    check_out(job.source, job.out, force=job.force, suffix=".parquet")
    began, rows, dropped, render = time.monotonic(), 0, 0, None
    with open_sink(source, None, dropped_path(job.out, source.suffix)) as sink:
        writer = ParquetWriter(job.out, bin_schema(pl.UInt64()), job.memory_bytes // 16)
        try:
            batches = source.batches(_text_fields(source), whole=True)
            for batch in watched(source, batches, job.progress, job.name):
                if render is None and batch.has("messages"):
                    render = open_render()
                added = packer.add(read_segments(batch, render, end))
                for bins in added.bins:
                    writer.write(bins)
                sink.write(batch, added.decision)
                rows += batch.rows
                dropped += int((~added.decision.keep).sum())
            check_any(source, rows)
            for bins in packer.end():
                writer.write(bins)
            writer.end()
            sink.finish()
            writer.place()
        except BaseException:
            writer.abort()
            raise
    told = f"{packer.tally.bins} bins, {100 * packer.padding:.2f} % padding"
    job.progress.finish(job.name, told)
    reasons = {"over_long": dropped} if dropped else {}
    return Counts(rows, rows - dropped, reasons, time.monotonic() - began)


def _text_fields(source: RowFile) -> list[str]:
    """The fields of plain texts that rows of this kind have, as the first row tells."""
    for batch, _ in source.batches([], whole=True):
        if batch.has("segments") or batch.has("messages"):
            return []
        if batch.has("prompt") or batch.has("completion"):
            return ["prompt", "completion"]
        raise batch.refuse(0, NO_FORM)
    return []


def read_segments(batch: Batch, render: Render | None, end: str) -> Segments:
    """The segments of a batch: rows of `segments`, of `messages` (with `render`), or of `prompt` and `completion`.

    Raises InputError for a row that has none of these.
    """
    if batch.has("segments"):
        rows = [_segments(batch, row, v) for row, v in enumerate(batch.objects("segments"))]
        return _flat(batch, rows)
    if batch.has("messages"):
        if render is None:
            raise batch.refuse(
                0,
                "has messages, which a chat template renders; give a checkpoint's folder as --tokenizer",
            )
        turns = [_turns(batch, row, v, render) for row, v in enumerate(batch.objects("messages"))]
        return _flat(batch, turns)
    if batch.has("prompt") or batch.has("completion"):
        prompts, completions = batch.texts("prompt"), batch.texts("completion") + end
        return Segments.of_pairs(prompts, completions, _numbers(batch), batch.refuse)
    raise batch.refuse(0, NO_FORM)


def _numbers(batch: Batch) -> pl.Series:
    first = batch.first_row
    return pl.int_range(first, first + batch.rows, dtype=pl.UInt64, eager=True)


def _segments(batch: Batch, row: int, value: object) -> list[tuple[str, bool]]:
    wanted = 'a list of {"text": …, "train": true or false}'
    if not isinstance(value, list):
        raise batch.wrong(row, "segments", value, wanted)
    for segment in value:
        if (
            not isinstance(segment, dict)
            or not isinstance(segment.get("text"), str)
            or not isinstance(segment.get("train"), bool)
        ):
            raise batch.wrong(row, "segments", value, wanted)
    return [(segment["text"], segment["train"]) for segment in value]


def _turns(batch: Batch, row: int, value: object, render: Render) -> list[tuple[str, bool]]:
    wanted = 'a list of {"role": …, "content": …} that ends on the assistant'
    if not isinstance(value, list) or not value:
        raise batch.wrong(row, "messages", value, wanted)
    for turn in value:
        if not isinstance(turn, dict) or not isinstance(turn.get("content"), str):
            raise batch.wrong(row, "messages", value, wanted)
    if value[-1].get("role") != "assistant":
        raise batch.wrong(row, "messages", value[-1], wanted)
    try:
        prompt, turn = render(value)
    except InputError as error:
        raise batch.refuse(row, str(error)) from error
    return [(prompt, False), (turn, True)]


def _flat(batch: Batch, segments: Sequence[Sequence[tuple[str, bool]]]) -> Segments:
    import numpy as np

    counts = [len(row) for row in segments]
    return Segments(
        pl.Series([text for row in segments for text, _ in row], dtype=pl.String),
        np.repeat(np.arange(len(segments), dtype=np.uint32), counts),
        np.array([train for row in segments for _, train in row], dtype=bool),
        _numbers(batch),
        batch.refuse,
    )
