"""`dalign data pack`: the rows of a JSONL or Parquet file as texts to be packed, and as a Parquet file of bins."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import polars as pl

from dalign.errors import InputError
from dalign.files import chat
from dalign.files.batch import Batch
from dalign.files.parquet import ParquetWriter
from dalign.files.sift import Counts, FileJob, open_sink, watched
from dalign.models.checkpoint import load_tokenizer
from dalign.models.render import Renderer
from dalign.models.tokenizer import added_tokens, open_tokenizer
from dalign.pack.packer import Capacity, OverLong, Packer, Segments, bin_schema
from dalign.progress import Progress

# A conversation that ends on the assistant, as the prompt and what is trained on.
Render = Callable[[Sequence[Mapping[str, Any]]], tuple[str, str]]

# Bytes that a buffered token takes on its way to a bin: ids, mask, row, and their packed copies.
TOKEN_BYTES = 96
# Text becomes up to one token a byte, of which each takes some forty bytes until it is buffered.
BATCH_SHARE = 256


def pack_file(
    job: FileJob,
    tokenizer: Path,
    *,
    capacity: int,
    over_long: str,
    end: str,
    buffer_tokens: int | None,
) -> tuple[Counts, dict[str, Any]]:
    """Packs a file's rows into a Parquet file of bins, which name rows by number; dropped rows stand beside it.

    end: a text after each completion, trained on. buffer_tokens: half of the memory unless given. Returns what was
    packed beside the counts.
    """
    rule = _capacity(capacity, over_long)
    source = job.open(BATCH_SHARE, ".parquet")
    buffer = buffer_tokens or job.memory_bytes // 2 // TOKEN_BYTES
    packer = Packer(open_tokenizer(tokenizer).encode, rule, buffer)
    form = next((row_form(batch) for batch, _ in source.batches([], whole=True)), "prompt")
    fields = ["prompt", "completion"] if form == "prompt" else []
    render = _template(tokenizer, job.progress) if form == "messages" else None
    began, rows, dropped = time.monotonic(), 0, 0
    ends, endless, first = added_tokens(tokenizer), 0, ""
    writer = ParquetWriter(job.out, bin_schema(pl.UInt64()), job.memory_bytes // 16)
    with open_sink(source, None, job.dropped) as sink, closing(writer):
        for batch in watched(source, source.batches(fields, whole=True), job.progress, job.name):
            segments = read_segments(batch, form, render, end)
            without = segments.without_end(ends).arg_true()
            endless += len(without)
            first = first or (batch.place(int(without[0])) if len(without) else "")
            decision, filled = packer.add(segments)
            for bins in filled:
                writer.write(bins)
            sink.write(batch, decision)
            rows += batch.rows
            dropped += int((~decision.keep).sum())
        for bins in packer.end():
            writer.write(bins)
        writer.end()
        sink.finish()
        writer.place()
    if endless:
        way_out = (
            "give the token that ends a turn as --end, or have it at the end of each completion"
        )
        said = f"warning: {endless} of {rows} rows (first: {first}) train on no end token, so that a model would not learn to stop; {way_out}"
        job.progress.say(said)
    job.progress.finish(job.name, f"{packer.tally.bins} bins, {100 * packer.padding:.2f} % padding")
    reasons = {"over_long": dropped} if dropped else {}
    more = {"masked": len(packer.masked), "padding": round(packer.padding, 6)}
    counts = Counts(rows, rows - dropped, reasons, time.monotonic() - began)
    return counts, vars(packer.tally) | more


def _capacity(tokens: int, over_long: str) -> Capacity:
    rule: OverLong | None = next((rule for rule in get_args(OverLong) if rule == over_long), None)
    if rule is None:
        said = f"--over-long {over_long}: choose {', '.join(get_args(OverLong))}"
        raise InputError(said, kind="unknown_choice", key="over_long", value=over_long)
    way_out = "raise it, or give --over-long drop or mask"
    return Capacity(tokens, rule, f"--capacity {tokens}", way_out)


def _template(folder: Path, progress: Progress) -> Render:
    """The chat template of a checkpoint: the conversation up to the last turn, then that turn."""
    if not folder.is_dir():
        said = (
            "rows with messages need a chat template; give the checkpoint's folder as --tokenizer"
        )
        raise InputError.in_file(folder, said, kind="template")
    renderer = Renderer(load_tokenizer(folder, False))
    _ = renderer.end_text
    probe = renderer.probe
    for is_so, what in (
        (probe.writes_date, "the date: rows packed on another day differ"),
        (probe.writes_time, "the time of day: it is 00:00 in every row"),
    ):
        if is_so:
            progress.say(f"warning: the chat template writes {what}")
    return renderer.turn


def row_form(batch: Batch) -> str:
    """What rows have, as the first one tells: `segments`, `messages`, or `prompt` and completion."""
    fields, first = batch.fields(0), batch.values()[0]
    if "segments" in fields:
        return "segments"
    if any(name in fields for name in chat.WHOLE):
        return "messages"
    if any(name in fields for name in chat.PARTS):
        texts = (first.get(name, "") for name in chat.PARTS)
        return "prompt" if all(isinstance(text, str) for text in texts) else "messages"
    said = "has neither prompt and completion, nor messages, nor segments; give one of these"
    raise batch.refuse(0, said)


def read_segments(batch: Batch, form: str, render: Render | None, end: str) -> Segments:
    """The segments of a batch of rows of this form. Raises InputError for a row that has another.

    render: needed for messages.
    """
    first = batch.first_row
    numbers = pl.int_range(first, first + batch.rows, dtype=pl.UInt64, eager=True)
    if form == "prompt":
        prompts, completions = batch.texts("prompt"), batch.texts("completion") + end
        return Segments.of_pairs(prompts, completions, numbers, batch.refuse)
    if render is None:
        rows = [_segments(batch, row, each) for row, each in enumerate(batch.objects(form))]
    else:
        turns = map(chat.conversation, batch.values())
        rows = [_turns(batch, row, each, render) for row, each in enumerate(turns)]
    return Segments.of_rows(rows, numbers, batch.refuse)


def _segments(batch: Batch, row: int, value: Any) -> list[tuple[str, bool]]:
    if not isinstance(value, list) or not all(
        isinstance(one, dict)
        and isinstance(one.get("text"), str)
        and isinstance(one.get("train"), bool)
        for one in value
    ):
        wanted = 'a list of {"text": …, "train": true or false}'
        raise batch.wrong(row, "segments", value, wanted)
    return [(one["text"], one["train"]) for one in value]


def _turns(batch: Batch, row: int, value: Any, render: Render) -> list[tuple[str, bool]]:
    wanted = 'a list of {"role": …, "content": …} that ends on the assistant'
    if (
        not isinstance(value, list)
        or not value
        or not all(
            isinstance(turn, dict) and isinstance(turn.get("content"), str) for turn in value
        )
    ):
        raise batch.wrong(row, "messages", value, wanted)
    if value[-1].get("role") != "assistant":
        raise batch.wrong(row, "messages", value[-1], wanted)
    if why := chat.untrained(value[-1]):
        raise batch.refuse(row, f"messages[{len(value) - 1}] {why}")
    try:
        prompt, turn = render(value)
    except InputError as error:
        raise batch.refuse(row, str(error), kind=error.kind or "bad_row") from error
    return [(prompt, False), (turn, True)]
