"""Prints a row's journey."""

from __future__ import annotations

from pathlib import Path

from dalign.cli.terminal import tell, tell_json
from dalign.records.journey import Journey, journeys_of
from dalign.records.record import open_record
from dalign.text import one_line


def show_row(row_id: str, run: Path, *, as_json: bool) -> None:
    """Prints the journey of a row of a run; several where different prompts of it have the same id."""
    journeys = journeys_of(open_record(run), row_id)
    if as_json:
        told = [_as_json(journey) for journey in journeys]
        tell_json(told[0] if len(told) == 1 else {"journeys": told}, indent=1)
    else:
        tell("\n\n".join(map(_as_text, journeys)))


def _as_json(journey: Journey) -> dict[str, object]:
    prompt = journey.prompt
    steps = [
        {"stage": s.stage, "row": s.row, "text": s.text, "facts": dict(s.facts)}
        for s in journey.steps
    ]
    return {
        "prompt": prompt.id,
        "category": prompt.category,
        "sources": list(journey.sources),
        "messages": list(prompt.messages),
        "steps": steps,
    }


def _as_text(journey: Journey) -> str:
    sources = ", ".join(journey.sources)
    prompt = journey.prompt
    lines = [one_line(f"prompt {prompt.id}  category {prompt.category}  of {sources}")]
    for message in prompt.messages:
        first, *rest = message["content"].split("\n")
        lines.append(f"  {one_line(message['role'])}: {first}")
        lines += [f"          | {line}" for line in rest]
    for step in journey.steps:
        lines.append(one_line(f"{step.stage:<9} {step.row[:12]}  {step.note}"))
        lines += [f"          | {line}" for line in step.text.split("\n") if step.text]
    return "\n".join(lines)
