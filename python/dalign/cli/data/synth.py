"""`dalign data synth`: new prompts for the clauses of a policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Many = list[str] | None


def synth(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="A .jsonl file of prompts; the dropped ones go to OUT's name.dropped.",
        ),
    ],
    config: Annotated[
        Path,
        typer.Option(
            "--config", metavar="CONFIG", help="A dalign.toml: its policy, writer and judge."
        ),
    ],
    missing: Annotated[
        Path | None,
        typer.Option(
            "--missing", metavar="RUN", help="For the clauses that this run has too few rows of."
        ),
    ] = None,
    clause: Annotated[
        Many,
        typer.Option(
            "--clause",
            metavar="ID",
            help="For this clause; may be given again. Without it, for all.",
        ),
    ] = None,
    per_clause: Annotated[
        int,
        typer.Option(
            "--per-clause",
            min=1,
            help="Prompts to ask for, for each clause, spread over kinds and languages.",
        ),
    ] = 6,
    kind: Annotated[
        Many,
        typer.Option(
            "--kind", help="benign-twin, borderline or disallowed; all of them unless given."
        ),
    ] = None,
    language: Annotated[
        Many,
        typer.Option("--language", metavar="CODE", help="en unless given; may be given again."),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="An evaluation set, beside the config's suites: no prompt may share eight words in a row with it.",
        ),
    ] = None,
    existing: Annotated[
        list[Path] | None,
        typer.Option(
            "--existing",
            metavar="FILE",
            help="Prompts, beside the config's own, that may not be repeated, nor nearly.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Of every draw; run.seed unless given.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite OUT.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the counts as JSON on stdout.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all input, tell how much work it is, and stop.")
    ] = False,
) -> None:
    """Have a model write prompts for clauses that lack them, and keep those that the judge rules as they should be."""
    from dalign.cli.synth_work import Wanted, write_prompts

    wanted = Wanted(missing, clause or [], per_clause, kind or [], language or ["en"])
    write_prompts(
        out,
        config,
        wanted,
        against=against or [],
        existing=existing or [],
        seed=seed,
        force=force,
        as_json=json,
        dry_run=dry_run,
    )
