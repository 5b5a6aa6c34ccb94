"""A run's rows as other trainers read them: TRL's conversational rows, plain messages, verl's and axolotl's forms.

No form has a field for the policy: examples and prompts have none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl

from dalign.errors import InputError, UnfinishedError, check_place, did_you_mean
from dalign.files.parquet import ParquetWriter
from dalign.records.record import Record, open_record
from dalign.rows import Message, turns
from dalign.store.parts import Table
from dalign.store.whole_files import whole

# What is exported: the examples that a run trains on, or the prompts of its RL.
SFT, RL = "sft", "rl"
_BATCH_BYTES = 16 << 20

Row = dict[str, Any]
Columns = Mapping[str, Any]

_TURN = {"role": pl.String, "content": pl.String}
_TURNS = pl.List(pl.Struct(_TURN))
_TRAINED_TURNS = pl.List(pl.Struct({**_TURN, "train": pl.Boolean}))
_OF_EXAMPLE = {"id": pl.String, "category": pl.String, "score": pl.Float64}
_OF_PROMPT = {
    **dict.fromkeys(("id", "category", "split", "ruling", "clause"), pl.String),
    "expected_answer": pl.String,
}


def export(run: Path, out: Path, form: str, what: str = SFT, *, force: bool = False) -> int:
    """Writes a run's examples (`sft`) or the prompts of its RL (`rl`) in a form of `FORMS`; returns how many rows.

    out: a .jsonl or .parquet file, whole or not there. Raises InputError for what there is not, and UnfinishedError
    where the run has no examples yet.
    """
    known = FORMS.get(form)
    if known is None:
        said = f"--form {form}: {did_you_mean(form, FORMS)}"
        raise InputError(said, kind="unknown_choice", key="form", value=form)
    if what not in known:
        said = f"--what {what}: {did_you_mean(what, known)}"
        raise InputError(said, kind="unknown_choice", key="what", value=what)
    columns, row_of = known[what]
    _check_out(out, form, force=force)
    record = open_record(run)
    rows = (row_of(row) for row in _rows(record, what))
    written = 0
    with whole(out) as place:
        if out.suffix.lower() == ".parquet":
            return _write_table(rows, columns, place, record.config.run.part_rows)
        with place.open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                written += 1
    return written


def _check_out(out: Path, form: str, *, force: bool) -> None:
    suffix, what = out.suffix.lower(), ""
    if suffix not in (".jsonl", ".parquet"):
        what = "its name must end in .jsonl or .parquet, which says what is written"
    elif form == VERL and suffix != ".parquet":
        what = "verl reads Parquet; end its name in .parquet"
    if what:
        raise InputError.in_file(out, what, kind="unknown_choice")
    check_place(out, force=force)


def _write_table(rows: Iterator[Row], columns: Columns, place: Path, part_rows: int) -> int:
    schema = dict(columns)
    written = 0
    with closing(ParquetWriter(place, schema, _BATCH_BYTES)) as writer:
        waiting: list[Row] = []
        for row in rows:
            waiting.append(row)
            if len(waiting) == part_rows:
                writer.write(pl.DataFrame(waiting, schema=schema))
                written, waiting = written + len(waiting), []
        writer.write(pl.DataFrame(waiting, schema=schema))
        writer.end()
        writer.place()
    return written + len(waiting)


def _rows(record: Record, what: str) -> Iterator[Row]:
    """The rows, numbered, their conversations as turns."""
    table = _examples(record) if what == SFT else record.project.rl_prompts.table
    number = 0
    for chunk in table.chunks(record.config.run.part_rows):
        if what == SFT and "text" not in chunk.columns:
            chunk = _with_text(record, chunk)
        conversations = turns(chunk["messages"])
        for row, messages in zip(chunk.iter_rows(named=True), conversations, strict=True):
            row["turns"], row["number"] = list(messages), number
            number += 1
            yield row


def _examples(record: Record) -> Table:
    if not record.has("select"):
        raise UnfinishedError.of(record.run.path, "select")
    return record.stage("select").made()


def _with_text(record: Record, examples: pl.DataFrame) -> pl.DataFrame:
    """Examples of before, which lack what was generated, with that."""
    written = record.stage("generate").made().scan().select("text", completion_id="id")
    wanted = written.filter(pl.col("completion_id").is_in(examples["completion_id"].to_list()))
    return examples.join(wanted.collect(), on="completion_id", how="left", maintain_order="left")


def _turn(row: Row) -> list[Message]:
    return [Message(role="assistant", content=row["text"])]


def _told(row: Row, columns: Columns) -> Row:
    return {name: row[name] for name in columns}


def _trl_example(row: Row) -> Row:
    return {"prompt": row["turns"], "completion": _turn(row), **_told(row, _OF_EXAMPLE)}


def _trl_prompt(row: Row) -> Row:
    return {"prompt": row["turns"], **_told(row, _OF_PROMPT)}


def _messages_example(row: Row) -> Row:
    return {"messages": row["turns"] + _turn(row), **_told(row, _OF_EXAMPLE)}


def _messages_prompt(row: Row) -> Row:
    return {"messages": row["turns"], **_told(row, _OF_PROMPT)}


def _axolotl_example(row: Row) -> Row:
    """Earlier turns of the assistant are not trained on: `message_field_training: train` reads it."""
    turns = [{**turn, "train": False} for turn in row["turns"]]
    answer = [{**turn, "train": True} for turn in _turn(row)]
    return {"messages": turns + answer, **_told(row, _OF_EXAMPLE)}


def _verl_example(row: Row) -> Row:
    facts = {"index": row["number"], **_told(row, _OF_EXAMPLE)}
    return {"data_source": "dalign", "messages": row["turns"] + _turn(row), "extra_info": facts}


def _verl_prompt(row: Row) -> Row:
    truth = row["expected_answer"] or row["ruling"] or ""
    return {
        "data_source": "dalign",
        "prompt": row["turns"],
        "ability": row["category"],
        "reward_model": {"style": "rule", "ground_truth": truth},
        # `compute_score` is handed this alone of the row.
        "extra_info": {
            "index": row["number"],
            **_told(row, _OF_PROMPT),
            "prompt": row["turns"],
        },
    }


def _info(columns: Columns) -> pl.Struct:
    return pl.Struct({"index": pl.Int64, **columns})


VERL = "verl"
_VERL_EXAMPLE = {
    "data_source": pl.String,
    "messages": _TURNS,
    "extra_info": _info(_OF_EXAMPLE),
}
_VERL_PROMPT = {
    "data_source": pl.String,
    "prompt": _TURNS,
    "ability": pl.String,
    "reward_model": pl.Struct({"style": pl.String, "ground_truth": pl.String}),
    "extra_info": _info({**_OF_PROMPT, "prompt": _TURNS}),
}
_TRL_RL = ({"prompt": _TURNS, **_OF_PROMPT}, _trl_prompt)
# Of each form and what is exported: the columns, and how a row is told.
FORMS: Mapping[str, Mapping[str, tuple[Columns, Callable[[Row], Row]]]] = {
    "trl": {
        SFT: ({"prompt": _TURNS, "completion": _TURNS, **_OF_EXAMPLE}, _trl_example),
        RL: _TRL_RL,
    },
    "messages": {
        SFT: ({"messages": _TURNS, **_OF_EXAMPLE}, _messages_example),
        RL: ({"messages": _TURNS, **_OF_PROMPT}, _messages_prompt),
    },
    VERL: {SFT: (_VERL_EXAMPLE, _verl_example), RL: (_VERL_PROMPT, _verl_prompt)},
    # Its GRPO is TRL's.
    "axolotl": {SFT: ({"messages": _TRAINED_TURNS, **_OF_EXAMPLE}, _axolotl_example), RL: _TRL_RL},
}
