"""Prints a row's journey. What models wrote is printed with its control characters made visible."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

from dalign.pipeline.context import open_run
from dalign.pipeline.journey import Journey, journey_of
from dalign.sandbox.checkpoint import checkpoints


def show_row(row_id: str, run: Path, *, as_json: bool) -> None:
    """Prints the journey of a row of a run."""
    journey = journey_of(open_run(run, checkpoints()), row_id)
    print(
        json.dumps(_as_json(journey), ensure_ascii=False, indent=1)
        if as_json
        else _as_text(journey)
    )


def visible(text: str) -> str:
    """The text with control and direction characters written as escapes: a terminal must not obey model output."""
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf") else f"\\u{ord(c):04x}"
        for c in text
    )


def _as_json(journey: Journey) -> dict[str, object]:
    prompt = journey.prompt
    steps = [
        {"stage": s.stage, "row": s.row, "text": s.text, "note": s.note} for s in journey.steps
    ]
    return {
        "prompt": prompt.id,
        "category": prompt.category,
        "messages": list(prompt.messages),
        "steps": steps,
    }


def _as_text(journey: Journey) -> str:
    lines = [f"prompt {journey.prompt.id}  category {journey.prompt.category}"]
    lines += [f"  {m['role']}: {visible(m['content'])}" for m in journey.prompt.messages]
    for step in journey.steps:
        lines.append(f"{step.stage:<9} {step.row[:12]}  {visible(step.note)}")
        lines += [f"          | {line}" for line in visible(step.text).splitlines()]
    return "\n".join(lines)
