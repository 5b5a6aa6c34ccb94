"""`dalign spec`: a written policy as code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Argument, Option

from dalign.cli.options import AsJson, Sets
from dalign.vocabulary import CATEGORY_TOKENS

spec = typer.Typer(
    name="spec",
    help="Check, stress, show, compare, measure, copy and import written policies.",
    epilog="Example: dalign spec check my-project/spec",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_FOLDER = "A policy folder, or the name of a shipped policy, such as safety."
Folder = Annotated[str, Argument(metavar="SPEC", help=_FOLDER)]
FolderOption = Annotated[str, Option("--spec", metavar="SPEC", help=_FOLDER)]
TokenizerPath = Annotated[
    Path | None,
    Option(
        "--tokenizer",
        readable=False,
        help="A tokenizer.json or its folder; else 4 bytes a token.",
    ),
]
NewFolder = Annotated[
    Path,
    Argument(metavar="OUT", readable=False, help="A folder that is not there yet, or is empty."),
]


@spec.command(epilog="Example: dalign spec check specs/mine --max-tokens 4000 --ignore changelog")
def check(
    folder: Folder = "safety",
    tokenizer: TokenizerPath = None,
    max_tokens: Annotated[
        int, Option("--max-tokens", min=1, help="Tokens that a category's detail may have.")
    ] = CATEGORY_TOKENS,
    ignore: Annotated[
        list[str] | None,
        Option("--ignore", metavar="KIND", help="Leave a kind of finding out; may be given again."),
    ] = None,
    model: Annotated[
        Path | None,
        Option(
            "--model",
            metavar="CONFIG",
            readable=False,
            help="A dalign.toml; its judge looks too.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Find what is to be mended, as file:line: what, and how. Exits with 1 if there is anything.

    With --model its judge looks too: for contradictions, and for examples and golden cases that it rules otherwise.
    """
    from dalign.cli.spec.check import print_check

    clean = print_check(
        folder, tokenizer, max_tokens, ignore=ignore or [], model=model, as_json=json
    )
    raise typer.Exit(0 if clean else 1)


@spec.command(epilog="Example: dalign spec show self-harm --spec my-project/spec --for judge")
def show(
    category: Annotated[str, Argument(metavar="CATEGORY", help="A category's name, or general.")],
    folder: FolderOption = "safety",
    tokenizer: TokenizerPath = None,
    seen_by: Annotated[
        Literal["generation", "judge", "deployment", "all"], Option("--for", help="Whose view.")
    ] = "all",
    max_tokens: Annotated[
        int | None, Option("--max-tokens", min=1, help="Leave examples out until it fits; say so.")
    ] = None,
    place: Annotated[
        Literal["system", "user"],
        Option("--place", help="Whose turn has the policy in generation (spec.place)."),
    ] = "system",
    operator: Annotated[
        str | None,
        Option("--operator", metavar="TEXT", help="A system message that the conversation has."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Print exactly what generation, the judge and a deployment see of a policy, with token counts."""
    from dalign.cli.spec.show import Asked, print_show

    asked = Asked(category, seen_by, place, operator)
    print_show(folder, asked, tokenizer, max_tokens, as_json=json)


@spec.command(epilog="Example: dalign spec diff specs/v1 specs/v2 --run runs/first")
def diff(
    old: Annotated[str, Argument(metavar="OLD", help=_FOLDER)],
    new: Annotated[str, Argument(metavar="NEW", help=_FOLDER)],
    run: Annotated[
        Path | None,
        Option(
            "--run",
            metavar="FOLDER",
            readable=False,
            help="Also: which rows of this run depend on it.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Tell clause by clause what changed between two policies, and what of a run depends on it."""
    from dalign.cli.spec.diff import print_diff

    print_diff(old, new, run, as_json=json)


@spec.command(epilog="Example: dalign spec coverage runs/first --min 20 --fail-short")
def coverage(
    run: Annotated[Path, Argument(metavar="RUN", readable=False, help="A run's folder.")],
    least: Annotated[
        int | None, Option("--min", min=0, help="Rows that are to be left; else clause_quota or 1.")
    ] = None,
    fail_short: Annotated[
        bool, Option("--fail-short", help="Exit with 1 if a clause has too few.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Tell per clause what exercises, cites and invokes it, and what is left of it after each stage of a run."""
    from dalign.cli.spec.coverage import print_coverage

    print_coverage(run, least, as_json=json, fail_short=fail_short)


@spec.command(epilog="Example: dalign spec stress my-project/dalign.toml --clause self-harm --k 8")
def stress(
    config: Annotated[
        Path,
        Argument(
            metavar="CONFIG",
            readable=False,
            help="A dalign.toml: its policy, the model that answers, and the judge.",
        ),
    ],
    against: Annotated[
        list[Path] | None,
        Option(
            "--against",
            metavar="CONFIG",
            readable=False,
            help="A further config whose model answers too; may be given again.",
        ),
    ] = None,
    k: Annotated[int, Option("--k", min=1, help="Answers a prompt and model.")] = 4,
    prompts: Annotated[int, Option("--prompts", min=1, help="Prompts a clause, at most.")] = 4,
    clause: Annotated[
        list[str] | None,
        Option("--clause", metavar="ID", help="This clause or category alone; may be given again."),
    ] = None,
    set_: Sets = None,
    json: AsJson = False,
) -> None:
    """Find clauses that models don't follow even with the policy in sight, or of which they make different things; the worst first.

    Before data is paid for: answers to the clauses' own examples and golden prompts, judged by the config's judge.
    """
    from dalign.cli.spec.stress import print_stress

    print_stress(config, against or [], k, prompts, clause or [], set_ or [], as_json=json)


@spec.command(epilog="Example: dalign spec copy safety my-project/spec")
def copy(folder: Folder, out: NewFolder) -> None:
    """Copy a policy, such as a shipped one, as a start for your own."""
    from dalign.cli.spec.write import copy_policy

    copy_policy(folder, out)


@spec.command(
    name="import", epilog="Example: dalign spec import policy.md specs/mine --category spam"
)
def import_(
    source: Annotated[
        Path, Argument(metavar="FILE", readable=False, help="A policy in prose; only read.")
    ],
    out: NewFolder,
    form: Annotated[
        Literal["auto", "safeguard", "model-spec", "markdown"],
        Option(
            "--form",
            help="What names a rule: safeguard: its code; model-spec: the {#anchor} of its heading; markdown: a number.",
        ),
    ] = "auto",
    category: Annotated[
        str | None, Option("--category", help="The category's name; without it, from the title.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Turn a policy of another form into a draft of a policy folder. What is not certain stands there as TODO.

    Tells why each rule rules as it does, and what of the source reached no unit.
    """
    from dalign.cli.spec.write import import_policy

    import_policy(source, out, form, category, as_json=json)
