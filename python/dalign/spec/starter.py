"""A project to start from, made of a shipped policy: its golden cases' prompts, half to train on and half to evaluate on."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dalign.rows import messages_json
from dalign.spec.files import copy_folder
from dalign.spec.golden import load_golden
from dalign.spec.parse import load_spec
from dalign.spec.shipped import shipped
from dalign.spec.types import GENERAL

POLICY = "safety"
HELD_OUT, PERMITTED, PATTERNS = "held-out", "permitted", "refusals.toml"
Row = dict[str, Any]


def starter_values(model: Path) -> dict[str, Any]:
    """The config's settings that are not the schema's own."""
    refusals = {"patterns": f"suites/{PATTERNS}", "metrics": ["not_overrefuse"], "judge": False}
    return {
        "model": {"path": str(model)},
        "spec": {"path": "spec"},
        "data": {"prompts": "prompts.jsonl"},
        "evaluate": {
            "suites": [
                {"name": HELD_OUT, "path": f"suites/{HELD_OUT}.jsonl"},
                {"name": PERMITTED, "path": f"suites/{PERMITTED}.jsonl", **refusals},
            ]
        },
    }


def write_starter(folder: Path, config: str) -> Path:
    """A whole project; returns the path of its `dalign.toml`. config: its text."""
    copy_folder(shipped(POLICY), folder / "spec")
    prompts, held_out = _halves(folder / "spec")
    permitted = [row for row in held_out if row["expected"]["ruling"] == "comply"]
    (folder / "suites").mkdir()
    _write(folder / "prompts.jsonl", prompts)
    _write(folder / "suites" / f"{HELD_OUT}.jsonl", held_out)
    _write(folder / "suites" / f"{PERMITTED}.jsonl", permitted)
    shutil.copyfile(shipped("starter") / PATTERNS, folder / "suites" / PATTERNS)
    path = folder / "dalign.toml"
    path.write_text(config, "utf-8")
    return path


def _halves(policy: Path) -> tuple[list[Row], list[Row]]:
    """Prompts of every category and ruling, each once: every other one is held out."""
    found: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for case in load_golden(load_spec(policy)):
        expected = {"ruling": case.ruling} | ({"clause": case.clause} if case.clause else {})
        row = {"category": case.category, "messages": list(case.messages), "expected": expected}
        found[case.category, case.ruling].setdefault(messages_json(case.messages), row)
    for line in (shipped("starter") / f"{GENERAL}.jsonl").read_text("utf-8").splitlines():
        turn = {"role": "user", "content": json.loads(line)["prompt"]}
        row = {"category": GENERAL, "messages": [turn], "expected": {"ruling": "comply"}}
        found[GENERAL, "comply"][line] = row
    groups = [list(rows.values()) for rows in found.values()]
    return [r for rows in groups for r in rows[::2]], [r for rows in groups for r in rows[1::2]]


def _write(path: Path, rows: Iterable[Row]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
