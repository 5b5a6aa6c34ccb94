"""JSONL in, JSONL out: rows with a well-formed completion of a fair length, the first of each text.

A row is kept if its completion is <think>, reasoning that is not blank, </think>, an answer that is not
blank, and no further tag; if it has from SHORTEST to LONGEST characters; and if no kept row before it has
the same completion.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from peers.generate.rollouts import write_rollouts
from peers.protocol import OURS, Agreement, Comparison, Peer, Work

OPEN, CLOSE = "<think>", "</think>"
SHORTEST, LONGEST = 300, 5000
FILE, KEPT = "rollouts.jsonl", "kept.jsonl"
TOOLS = "tools"
PEAK_MIB = 200
# What the command is told to hold; half of it for hashes of kept texts.
MEMORY_MIB = 128


def write_inputs(folder: Path, n: int, seed: int) -> None:
    write_rollouts(folder / FILE, n, seed)


def well_formed(completion: str) -> bool:
    """By searching for substrings, which is what is quick in Python."""
    if not (SHORTEST <= len(completion) <= LONGEST and completion.startswith(OPEN)):
        return False
    close = completion.find(CLOSE)
    if close < 0 or completion.find(OPEN, 1) >= 0 or completion.find(CLOSE, close + 1) >= 0:
        return False
    reasoning, answer = completion[len(OPEN) : close], completion[close + len(CLOSE) :]
    return bool(reasoning.strip()) and bool(answer.strip())


def dalign(inputs: Path, out: Path, _seed: int) -> Work:
    """What `dalign data filter` runs: rows read, looked at and written batch by batch."""
    from dalign.files.sift import FileJob
    from dalign.pipeline.filter_file import Wanted, filter_file

    job = FileJob("filter", inputs / FILE, out / KEPT, MEMORY_MIB, force=True)
    wanted = Wanted(tags=(OPEN, CLOSE), min_chars=SHORTEST, max_chars=LONGEST)
    return Work(lambda: filter_file(job, wanted), lambda _: None)


def by_lines(inputs: Path, out: Path, completion_of: Callable[[bytes], str]) -> Work:
    """A loop over lines with a quick parser; 128 bits of a hash are kept of each text."""
    from xxhash import xxh3_128_digest

    def run() -> None:
        seen: set[bytes] = set()
        with (inputs / FILE).open("rb") as lines, (out / KEPT).open("wb") as kept:
            for line in lines:
                completion = completion_of(line)
                if well_formed(completion):
                    mark = xxh3_128_digest(completion.encode())
                    if mark not in seen:
                        seen.add(mark)
                        kept.write(line)

    return Work(run, lambda _: None)


def orjson_lines(inputs: Path, out: Path, _seed: int) -> Work:
    from orjson import loads

    return by_lines(inputs, out, lambda line: loads(line)["completion"])


def simdjson_lines(inputs: Path, out: Path, _seed: int) -> Work:
    """Only the one field becomes a Python object."""
    from simdjson import Parser

    parse = Parser().parse
    return by_lines(inputs, out, lambda line: parse(line)["completion"])


def json_and_re(inputs: Path, out: Path, _seed: int) -> Work:
    """What most reward code does: json, one regular expression, a set of texts."""
    pattern = re.compile(
        r"<think>(?!\s*</think>)((?:(?!</?think>).)*)</think>(?=\s*\S)((?:(?!</?think>).)*)",
        re.DOTALL,
    )

    def run() -> None:
        seen: set[str] = set()
        with (inputs / FILE).open(encoding="utf-8") as lines:
            with (out / KEPT).open("w", encoding="utf-8") as kept:
                for line in lines:
                    completion = json.loads(line)["completion"]
                    if not SHORTEST <= len(completion) <= LONGEST or completion in seen:
                        continue
                    if pattern.fullmatch(completion):
                        seen.add(completion)
                        kept.write(line)

    return Work(run, lambda _: None)


def polars_frame(inputs: Path, out: Path, _seed: int) -> Work:
    """Lazy expressions; the quicker of polars' two engines on this query."""
    import polars as pl

    completion = pl.col("completion")
    keep = (
        completion.str.len_chars().is_between(SHORTEST, LONGEST)
        & completion.str.contains(r"(?s)\A<think>\s*[^\s<].*</think>\s*\S")
        & (completion.str.count_matches(r"</?think>") == 2)
    )

    def run() -> None:
        rows = pl.scan_ndjson(inputs / FILE).filter(keep)
        distinct = rows.unique("completion", keep="first", maintain_order=True)
        distinct.collect().write_ndjson(out / KEPT)

    return Work(run, lambda _: None)


def ids(path: Path) -> list[str]:
    with path.open("rb") as lines:
        return [json.loads(line)["id"] for line in lines]


def agree(_inputs: Path, ours: Path, theirs: list[Path]) -> Agreement:
    """The same rows in the same order: by bytes, or by ids where the peer writes rows anew."""
    left, right = ours / KEPT, theirs[0] / KEPT
    if same_bytes(left, right):
        return Agreement(True, "the kept files are equal byte for byte")
    kept, other = ids(left), ids(right)
    note = f"{len(kept)} rows kept, the peer {len(other)}; the same ids in the same order: {kept == other}"
    return Agreement(kept == other, note)


def same_bytes(left: Path, right: Path) -> bool:
    if left.stat().st_size != right.stat().st_size:
        return False
    with left.open("rb") as one, right.open("rb") as other:
        while part := one.read(1 << 24):
            if part != other.read(1 << 24):
                return False
    return True


def peak_goal_mib(_inputs: Path) -> float:
    return PEAK_MIB


COMPARISONS = (
    Comparison(
        path="filter",
        n=1_000_000,
        unit="rows",
        write_inputs=write_inputs,
        dalign=dalign,
        peers=(
            Peer("polars lazy", "polars", OURS, 8, polars_frame),
            Peer("orjson loop", "orjson", TOOLS, 8, orjson_lines),
            Peer("pysimdjson loop", "pysimdjson", TOOLS, 8, simdjson_lines),
            Peer("json and re", "", OURS, 28, json_and_re, limit=100_000),
        ),
        agree=agree,
        peak_goal_mib=peak_goal_mib,
    ),
)
