"""`dalign data synth`: new prompts for the clauses of a policy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from dalign.cli.data.options import MOST, AsJson, Force, Limit, Many
from dalign.cli.terminal import tell, tell_json, warn
from dalign.vocabulary import PROMPTS_A_CLAUSE

if TYPE_CHECKING:
    from dalign.pipeline.synth import Synthesised

OutPrompts = Annotated[
    Path,
    Argument(
        metavar="OUT",
        readable=False,
        help="A .jsonl file; dropped prompts go to its name.dropped.",
    ),
]
ConfigFile = Annotated[
    Path,
    Option(
        "--config",
        metavar="CONFIG",
        readable=False,
        help="A dalign.toml: its policy, writer and judge.",
    ),
]
Missing = Annotated[
    Path | None,
    Option(
        "--missing",
        metavar="RUN",
        readable=False,
        help="For the clauses that this run has too few rows of.",
    ),
]
Clauses = Annotated[
    Many, Option("--clause", metavar="ID", help="For this clause, not for all; may be given again.")
]
PerClause = Annotated[
    int, Option("--per-clause", min=1, help="For each clause, spread over kinds and languages.")
]
Kinds = Annotated[
    Many,
    Option(
        "--kind",
        help="benign-twin, borderline or disallowed; all of them unless given, but disallowed of critical clauses only where it is given.",
    ),
]
Forms = Annotated[
    Many,
    Option(
        "--form",
        help="message, turns, operator, quoted, encoded or persona: what a prompt is made of; all of them unless given.",
    ),
]
Languages = Annotated[
    Many, Option("--language", metavar="CODE", help="en unless given; may be given again.")
]
Files = list[Path] | None
Against = Annotated[
    Files,
    Option(
        "--against",
        metavar="FILE",
        readable=False,
        help="Evaluation rows to share no eight words with.",
    ),
]
Existing = Annotated[
    Files,
    Option(
        "--existing",
        metavar="FILE",
        readable=False,
        help="Prompts that no new one repeats, nor nearly.",
    ),
]
Seed = Annotated[
    Limit, Option("--seed", min=0, max=MOST, help="Of every draw; run.seed unless given.")
]
DryRun = Annotated[
    bool, Option("--dry-run", help="Check all input, tell how much work it is, and stop.")
]


def synth(
    out: OutPrompts,
    config: ConfigFile,
    missing: Missing = None,
    clause: Clauses = None,
    per_clause: PerClause = PROMPTS_A_CLAUSE,
    kind: Kinds = None,
    form: Forms = None,
    language: Languages = None,
    against: Against = None,
    existing: Existing = None,
    seed: Seed = None,
    force: Force = False,
    json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Have a model write prompts for clauses that lack them, and keep those that the judge rules as they should be."""
    from dalign import progress
    from dalign.pipeline.synth import Job, Prepared, Wanted
    from dalign.settings import load_config
    from dalign.store.ledger import checked_config

    clauses, whence = _named(missing, clause)
    wanted = Wanted(
        clauses, whence, kind or (), form or (), language or Wanted.languages, per_clause
    )
    shown = progress.Progress() if json else progress.for_terminal()
    job = Job(out, wanted, existing or (), against or (), seed, force, shown)
    prepared = Prepared(load_config(checked_config(config), []), job)
    if dry_run or not prepared.orders:
        _tell_plan(prepared.plan, as_json=json)
    else:
        _tell_result(out, prepared.write(), as_json=json)


def _named(missing: Path | None, clauses: list[str] | None) -> tuple[list[str] | None, str]:
    """The clauses that are named, and by what; None for all."""
    from dalign.errors import InputError
    from dalign.records.coverage import coverage

    if missing is None:
        return clauses or None, "--clause"
    if clauses:
        said = "--missing and --clause both name clauses; give one of the two"
        raise InputError(said, kind="not_valid")
    return [row.clause for row in coverage(missing).short], f"{missing}"


def _tell_plan(plan: Mapping[str, int], *, as_json: bool) -> None:
    """How much work the orders are; nothing is written."""
    if as_json:
        tell_json({"plan": plan})
        return
    if not plan["requests"]:
        tell("nothing to ask for: no clause is short, or none has prompts of that kind")
    tell("\n".join(f"{name.replace('_', ' ')}: {count}" for name, count in plan.items()))


def _tell_result(out: Path, made: Synthesised, *, as_json: bool) -> None:
    """Counts: JSON on stdout, or a few lines on stderr."""
    from dalign.pipeline.synth import dropped_beside

    beside, asked, kept = dropped_beside(out), made.asked, made.kept_of
    if as_json:
        clauses = [{"clause": c, "asked": n, "kept": kept[c]} for c, n in asked.items()]
        counts = {"asked": asked.total(), "kept": len(made.kept), "dropped": made.reasons}
        files = {"out": str(out), "dropped_rows": str(beside)}
        tell_json(files | counts | {"clauses": clauses})
        return
    for reason, count in made.reasons.items():
        warn(f"  dropped {count}: {reason}")
    for clause, count in asked.items():
        if kept[clause] < count:
            warn(f"  {clause}: {kept[clause]} of {count} kept")
    warn(f"wrote {len(made.kept)} prompts to {out}, the others to {beside}")
