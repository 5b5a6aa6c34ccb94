"""`dalign data synth`: new prompts for the clauses of a policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from dalign.cli.data.options import AsJson, Force, Limit, Many

OutPrompts = Annotated[
    Path,
    Argument(
        metavar="OUT", help="A .jsonl file of prompts; the dropped ones go to OUT's name.dropped."
    ),
]
ConfigFile = Annotated[
    Path, Option("--config", metavar="CONFIG", help="A dalign.toml: its policy, writer and judge.")
]
Missing = Annotated[
    Path | None,
    Option("--missing", metavar="RUN", help="For the clauses that this run has too few rows of."),
]
Clauses = Annotated[
    Many,
    Option(
        "--clause", metavar="ID", help="For this clause; may be given again. Without it, for all."
    ),
]
PerClause = Annotated[
    int,
    Option(
        "--per-clause",
        min=1,
        help="Prompts to ask for, for each clause, spread over kinds and languages.",
    ),
]
Kinds = Annotated[
    Many, Option("--kind", help="benign-twin, borderline or disallowed; all of them unless given.")
]
Languages = Annotated[
    Many, Option("--language", metavar="CODE", help="en unless given; may be given again.")
]
Against = Annotated[
    list[Path] | None,
    Option(
        "--against",
        metavar="FILE",
        help="An evaluation set, beside the config's suites: no prompt may share eight words in a row with it.",
    ),
]
Existing = Annotated[
    list[Path] | None,
    Option(
        "--existing",
        metavar="FILE",
        help="Prompts, beside the config's own, that may not be repeated, nor nearly.",
    ),
]
Seed = Annotated[Limit, Option("--seed", min=0, help="Of every draw; run.seed unless given.")]
DryRun = Annotated[
    bool, Option("--dry-run", help="Check all input, tell how much work it is, and stop.")
]


def synth(
    out: OutPrompts,
    config: ConfigFile,
    missing: Missing = None,
    clause: Clauses = None,
    per_clause: PerClause = 6,
    kind: Kinds = None,
    language: Languages = None,
    against: Against = None,
    existing: Existing = None,
    seed: Seed = None,
    force: Force = False,
    json: AsJson = False,
    dry_run: DryRun = False,
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
