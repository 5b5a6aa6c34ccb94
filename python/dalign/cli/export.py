"""Writes a run's rows for other trainers."""

from __future__ import annotations

from pathlib import Path

from dalign.cli.terminal import tell_json, warn
from dalign.records.export import export


def export_rows(run: Path, out: Path, form: str, what: str, *, force: bool, as_json: bool) -> None:
    """Writes the rows and tells how many they are."""
    rows = export(run, out, form, what, force=force)
    if as_json:
        tell_json({"out": str(out), "form": form, "what": what, "rows": rows})
    else:
        warn(f"wrote {rows} rows to {out}")
