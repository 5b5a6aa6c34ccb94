"""Digests of what a run made, however its folder lays it out: what may not change shows that it has not.

    python tests/python/digests.py smoke target/digests.json      records the small demo, or compares with what is recorded
    python tests/python/digests.py record FOLDER FILE             records the run in that folder
    python tests/python/digests.py compare FOLDER FILE            compares it with a record

A table is read from all its parts in the order of their names. Times, memory, paths and hashes of inputs are left out.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

# The parts of a stage's main table, its dropped rows, and the tables that it keeps beside them.
TABLES = {
    "rows": "part",
    "dropped": "dropped",
    "scores": "scores",
    "grades": "grades",
    "verdicts": "verdicts",
}
NOT_A_RESULT = {"taken_over", "rows_path"}
OF_RESULTS = ("rows", "pairs")
Record = dict[str, Any]


def record(run: Path) -> Record:
    """By name, every table, manifest, curve and weight of the finished stages, and the results."""
    made: Record = {}
    for manifest in sorted(run.glob("*/*/manifest.json")):
        folder = manifest.parent
        name = folder.relative_to(run).as_posix()
        for table, stem in TABLES.items():
            frame = read_table(folder, stem)
            if frame is not None and (frame.height or table != "dropped"):
                made[f"{name} {table}"] = digest_table(frame)
        content = json.loads(manifest.read_text("utf-8"))
        for part in ("counts", "facts"):
            made[f"{name} {part}"] = results_only(content[part])
        if (folder / "curve.json").is_file():
            made[f"{name} curve"] = json.loads((folder / "curve.json").read_text("utf-8"))
        for weights in sorted(folder.glob("final/*.safetensors")):
            made[f"{name} {weights.name}"] = file_digest(weights)
    if (run / "results.json").is_file():
        results = json.loads((run / "results.json").read_text("utf-8"))
        made |= {f"results {part}": results_only(results[part]) for part in OF_RESULTS}
    return made


def read_table(folder: Path, stem: str) -> pl.DataFrame | None:
    """A table from `STEM.parquet` and `STEM-*.parquet`; None where there is neither."""
    parts = sorted([*folder.glob(f"{stem}.parquet"), *folder.glob(f"{stem}-*.parquet")])
    return pl.concat([pl.read_parquet(part) for part in parts]) if parts else None


def digest_table(frame: pl.DataFrame) -> Record:
    """The table's own digest, the number of its rows, and type and cells of each column."""
    columns = {
        name: {"type": str(dtype), "cells": cells(frame[name])}
        for name, dtype in frame.schema.items()
    }
    return {"digest": frame_digest(frame), "rows": frame.height, "columns": columns}


def frame_digest(frame: pl.DataFrame) -> str:
    """sha256 of a table's names, types and values, the same however it is stored. As the store has it today: a copy, so that a change there shows here."""
    columns = [f"{name}:{dtype}" for name, dtype in frame.schema.items()]
    hasher = hashlib.sha256("\n".join(columns).encode())
    for piece in frame.iter_slices(10_000):
        hasher.update(piece.write_ndjson().encode())
    return hasher.hexdigest()


def cells(column: pl.Series) -> str:
    """Four hexadecimal digits a cell: enough to count the rows that differ."""
    lines = column.to_frame().write_ndjson().splitlines()
    return "".join(hashlib.sha256(line.encode()).hexdigest()[:4] for line in lines)


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def results_only(value: Any) -> Any:
    """The value without counts of what was taken over and without paths."""
    if isinstance(value, dict):
        return {k: results_only(part) for k, part in value.items() if k not in NOT_A_RESULT}
    return [results_only(part) for part in value] if isinstance(value, list) else value


def differences(before: Record, now: Record) -> dict[str, str]:
    """What differs and how, by name; empty where the two records are the same."""
    found = {name: "gone" for name in before if name not in now}
    found |= {name: "new" for name in now if name not in before}
    for name in before:
        if name in now and before[name] != now[name]:
            found[name] = "; ".join(how(before[name], now[name])) or "digest differs"
    return found


def how(before: Any, now: Any) -> Iterator[str]:
    """In words, how a table, an object or a list differs from what it was."""
    if isinstance(before, dict) and "columns" in before:
        yield from how_table(before, now)
    elif isinstance(before, dict) and isinstance(now, dict):
        for key in before | now:
            if before.get(key) != now.get(key):
                yield f"{key}: {'; '.join(how(before.get(key), now.get(key)))}"
    elif isinstance(before, list) and isinstance(now, list):
        if len(before) != len(now):
            yield f"{len(before)} -> {len(now)} entries"
        changed = [pair for pair in zip(before, now, strict=False) if pair[0] != pair[1]]
        if changed:
            yield f"{len(changed)} entries differ{in_keys(changed)}, first {short(changed[0][0])} -> {short(changed[0][1])}"
    else:
        yield f"{short(before)} -> {short(now)}"


def in_keys(changed: list[tuple[Any, Any]]) -> str:
    """In words, the keys in which pairs of objects differ."""
    if not all(isinstance(each, dict) for pair in changed for each in pair):
        return ""
    keys = {key for old, new in changed for key in old | new if old.get(key) != new.get(key)}
    return f" in {', '.join(sorted(keys))}"


def how_table(before: Record, now: Record) -> Iterator[str]:
    old, new = before["columns"], now["columns"]
    for words, names in (
        ("columns added", [name for name in new if name not in old]),
        ("columns gone", [name for name in old if name not in new]),
        ("types differ", [n for n in old if n in new and old[n]["type"] != new[n]["type"]]),
    ):
        if names:
            yield f"{words}: {', '.join(names)}"
    both = [name for name in old if name in new]
    if both != [name for name in new if name in old]:
        yield "columns in another order"
    if before["rows"] != now["rows"]:
        yield f"{before['rows']} -> {now['rows']} rows"
        return
    changed = {name: changed_rows(old[name]["cells"], new[name]["cells"]) for name in both}
    rows = set().union(*changed.values())
    if not rows:
        return
    if sorted(whole_rows(old, both)) == sorted(whole_rows(new, both)):
        yield f"the same {before['rows']} rows in another order"
        return
    names = ", ".join(name for name, found in changed.items() if found)
    yield f"{len(rows)} of {before['rows']} rows differ in {names}, first row {min(rows)}"


def whole_rows(columns: Record, names: list[str]) -> list[tuple[str, ...]]:
    """The rows of a record's table, each as its cells."""
    cut = [textwrap.wrap(columns[name]["cells"], 4) for name in names]
    return list(zip(*cut, strict=True))


def changed_rows(before: str, now: str) -> set[int]:
    return {i // 4 for i in range(0, len(before), 4) if before[i : i + 4] != now[i : i + 4]}


def short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."


def write_record(made: Record, file: Path) -> None:
    """A line for each entry, so that a change to the record reads as one."""
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in made.items()]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def report(before: Record, now: Record) -> int:
    """Prints each entry as same or with what differs; how many differ."""
    found = differences(before, now)
    for name in before | now:
        print(f"{name}: {found.get(name, 'same')}")
    print(f"{len(before | now) - len(found)} same, {len(found)} differ")
    return len(found)


def command(*words: object) -> None:
    """Runs `dalign` with these words, in a process of its own. Raises CalledProcessError where it fails."""
    code = "from dalign.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, *map(str, words)], check=True)


def smoke_record() -> Record:
    """What the small demo makes now, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        command("demo", "--smoke", Path(folder) / "run")
        return record(Path(folder) / "run")


def main() -> None:
    """Exit code 1 where anything differs from the record."""
    verb, *paths = sys.argv[1:]
    file = Path(paths[-1])
    made = smoke_record() if verb == "smoke" else record(Path(paths[0]))
    if verb == "record" or (verb == "smoke" and not file.exists()):
        write_record(made, file)
        print(f"{file}: {len(made)} entries recorded")
        return
    if report(json.loads(file.read_text("utf-8")), made):
        sys.exit(1)


if __name__ == "__main__":
    main()
