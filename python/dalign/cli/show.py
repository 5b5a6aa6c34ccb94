"""Prints a row's journey."""

from __future__ import annotations

from pathlib import Path

from dalign.cli.terminal import tell, tell_json
from dalign.pipeline.context import open_run
from dalign.pipeline.journey import Journey, journey_of
from dalign.sandbox.checkpoint import checkpoints


def show_row(row_id: str, run: Path, *, as_json: bool) -> None:
    """Prints the journey of a row of a run."""
    journey = journey_of(open_run(run, checkpoints()), row_id)
    if as_json:
        tell_json(_as_json(journey), indent=1)
    else:
        tell(_as_text(journey))


def _as_json(journey: Journey) -> dict[str, object]:
    prompt = journey.prompt
    steps = [
        {"stage": s.stage, "row": s.row, "text": s.text, "facts": dict(s.facts)}
        for s in journey.steps
    ]
    return {
        "prompt": prompt.id,
        "category": prompt.category,
        "messages": list(prompt.messages),
        "steps": steps,
    }


def _as_text(journey: Journey) -> str:
    lines = [f"prompt {journey.prompt.id}  category {journey.prompt.category}"]
    lines += [f"  {m['role']}: {m['content']}" for m in journey.prompt.messages]
    for step in journey.steps:
        lines.append(f"{step.stage:<9} {step.row[:12]}  {step.note}")
        lines += [f"          | {line}" for line in step.text.split("\n") if step.text]
    return "\n".join(lines)
