"""Rows in a file of either kind, JSONL or Parquet, and the dropped ones beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pl.read_parquet(path).to_dicts()
    return [json.loads(line) for line in path.read_text().splitlines()]


def dropped(path: Path) -> list[tuple[int, str, str | None]]:
    """(row, counted from 0, reason and detail) of each row that was dropped on the way to `path`."""
    rows = read(path.with_name(f"{path.stem}.dropped{path.suffix}"))
    if path.suffix == ".parquet":
        return [(r["dropped_row"], r["dropped_reason"], r["dropped_detail"]) for r in rows]
    return [(r["line"] - 1, r["reason"], r.get("detail")) for r in rows]
