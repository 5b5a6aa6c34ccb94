"""A project to start from, in English: a shipped policy, prompts that are labelled by its clauses, suites, capability rows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dalign.spec.files import copy_folder
from dalign.spec.shipped import shipped

POLICY, MODEL = "safety", "models/mine"
TEST, VALIDATION, PERMITTED, PATTERNS = "test", "validation", "permitted", "refusals.toml"
Row = dict[str, Any]


def starter_values(model: Row) -> dict[str, Any]:
    """The config's settings that are not the schema's own: lengths and rates for a reasoning model of 1 to 10 B parameters.

    model: the settings of its section.
    """
    refusals = {"patterns": f"suites/{PATTERNS}", "metrics": ["not_overrefuse"], "judge": False}
    return {
        "model": model,
        "spec": {"path": "spec"},
        "data": {"prompts": "prompts.jsonl", "capability": "capability.jsonl"},
        # A reasoning that is cut has no answer.
        "generate": {"n": 4, "max_new_tokens": 4096},
        "filter": {"quality": True},
        "judge": {"early_stop": True},
        # Some clauses may have no completion that passes.
        "select": {"per_prompt": 2, "on_short": "warn"},
        "pack": {"capacity": 8192},
        "sft": {"method": "lora"},
        "distill": {"method": "lora", "max_new_tokens": 4096},
        "rl": {"method": "lora", "max_new_tokens": 4096},
        "evaluate": {
            "max_new_tokens": 4096,
            "suites": [
                {"name": TEST, "path": f"suites/{TEST}.jsonl"},
                {"name": PERMITTED, "path": f"suites/{PERMITTED}.jsonl", **refusals},
            ],
        },
    }


def write_starter(folder: Path, config: str) -> Path:
    """A whole project; returns the path of its `dalign.toml`. config: its text."""
    copy_folder(shipped(POLICY), folder / "spec")
    starter = shipped("starter")
    lines = (starter / "prompts.jsonl").read_text("utf-8").splitlines()
    rows: list[Row] = [json.loads(line) for line in lines]
    parts = {split: [r for r in rows if r["split"] == split] for split in ("train", VALIDATION, TEST)}  # fmt: skip
    (folder / "suites").mkdir()
    _write(folder / "prompts.jsonl", parts["train"])
    for name in (VALIDATION, TEST):
        _write(folder / "suites" / f"{name}.jsonl", parts[name])
    permitted = [row for row in parts[TEST] if row["expected"]["ruling"] == "comply"]
    _write(folder / "suites" / f"{PERMITTED}.jsonl", permitted)
    shutil.copyfile(starter / "capability.jsonl", folder / "capability.jsonl")
    shutil.copyfile(starter / PATTERNS, folder / "suites" / PATTERNS)
    path = folder / "dalign.toml"
    path.write_text(config, "utf-8")
    return path


def _write(path: Path, rows: Iterable[Row]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
