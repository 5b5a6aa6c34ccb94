"""The commands: one a stage, `run` for all of them, `plan`, `init`, `demo`, `show`, `results`, `compare`, `verify`, `report`, `ablate`, `spec`, `data` and `cache`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option
from typer.core import TyperGroup

from dalign.cli.ablate.app import ablate
from dalign.cli.cache import cache
from dalign.cli.data.app import data
from dalign.cli.judge.app import judge
from dalign.cli.options import AllowMissing, AsJson, DryRun, Redo, Sets
from dalign.cli.spec.app import spec
from dalign.cli.terminal import prints_anything
from dalign.text import one_line
from dalign.vocabulary import STAGES


class _Commands(TyperGroup):
    """The commands: what is said of a wrong command line is made visible, as all that is printed."""

    def make_context(self, *given: Any, **named: Any) -> Any:
        """Reads the options of `dalign` itself."""
        prints_anything()
        with _made_visible():
            return super().make_context(*given, **named)

    def invoke(self, ctx: Any) -> Any:
        """Reads the rest of the command line, and runs the command."""
        with _made_visible():
            return super().invoke(ctx)


@contextmanager
def _made_visible() -> Iterator[None]:
    try:
        yield
    except _REFUSED as error:
        error.message = one_line(error.message)
        raise


# The base of what typer refuses, which it has under no public name.
_REFUSED: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="dalign",
    cls=_Commands,
    help="Train a reasoning model to follow a written safety policy by deliberative alignment, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ConfigPath = Annotated[
    Path | None,
    Argument(
        metavar="CONFIG", readable=False, help="The config file; unless given, the run's own."
    ),
]
RunFolder = Annotated[
    Path,
    Option(
        "--run",
        metavar="FOLDER",
        readable=False,
        help="The run's folder: `run` and the stages make it.",
    ),
]
_NothingMissing = Annotated[bool, Option("--allow-missing", hidden=True)]
RetryMissing = Annotated[
    bool, Option("--retry-missing", help="Ask again for replies that never came, and no other.")
]
Force = Annotated[
    bool, Option("--force", help="Go on with a judge that judge.admission refuses; it is recorded.")
]
LimitRows = Annotated[
    int | None,
    Option("--limit", min=1, metavar="N", help="A trial on N rows of each file; see data.limit."),
]
Variant = Annotated[
    str | None,
    Option("--variant", help="An arm for distill, rl and evaluate, else main, bare or sft."),
]


def _version(wanted: bool) -> None:
    if wanted:
        from dalign import _core

        typer.echo(_core.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the command itself."""


def _sets(given: list[str] | None, limit: int | None, *, force: bool = False) -> list[str]:
    """The settings that a command line gives, those of options of their own too."""
    own = [
        *([] if limit is None else [f"data.limit={limit}"]),
        *(["judge.forced=true"] if force else []),
    ]
    return [*(given or []), *own]


def _whole_command(name: str, what: str, stage: str | None, example: str = "") -> None:
    """Registers a command that ends in a report. stage: None for all of them."""

    @app.command(
        name=name, help=what, epilog=f"Example: dalign {name} dalign.toml --run runs/first{example}"
    )
    def _run_whole(
        run: RunFolder,
        config: ConfigPath = None,
        set_: Sets = None,
        redo: Redo = False,
        dry_run: DryRun = False,
        allow_missing: AllowMissing = False,
        retry_missing: RetryMissing = False,
        force: Force = False,
        limit: LimitRows = None,
        json: AsJson = False,
    ) -> None:
        from dalign.cli.run import run_command

        how = {
            "redo": redo,
            "dry_run": dry_run,
            "as_json": json,
            "allow_missing": allow_missing,
            "retry_missing": retry_missing,
        }
        run_command(config, run, _sets(set_, limit, force=force), stage, None, **how)


_whole_command(
    "run",
    f"Run all stages of a config: {', '.join(STAGES)}, report.",
    None,
    " --set judge.k=8",
)


@app.command(epilog="Example: dalign plan dalign.toml --trial runs/trial --set run.cap.money=50")
def plan(
    config: ConfigPath = None,
    run: Annotated[
        Path | None,
        Option(
            "--run",
            metavar="FOLDER",
            readable=False,
            help="The run's folder: what is done there is left out.",
        ),
    ] = None,
    trial: Annotated[
        Path | None,
        Option(
            "--trial",
            metavar="RUN",
            readable=False,
            help="A run of the same config on a few rows, such as by --limit 20: tokens, money and time as in that one.",
        ),
    ] = None,
    set_: Sets = None,
    redo: Redo = False,
    limit: LimitRows = None,
    json: AsJson = False,
) -> None:
    """Print what a run will take, before anything is asked: requests, tokens, money and time, stage by stage."""
    from dalign.cli.plan import plan_command

    plan_command(config, run, trial, _sets(set_, limit), redo=redo, as_json=json)


@app.command(epilog="Example: dalign demo runs/demo")
def demo(
    folder: Annotated[Path, Argument(readable=False, help="The run's folder.")] = Path("runs/demo"),
    smoke: Annotated[
        bool, Option("--smoke", help="The same stages on very little data: does everything run?")
    ] = False,
    set_: Sets = None,
    redo: Redo = False,
    dry_run: DryRun = False,
    allow_missing: AllowMissing = False,
    retry_missing: RetryMissing = False,
    json: AsJson = False,
) -> None:
    """Run everything on the sandbox that dalign ships: a tiny model, a policy, and every arm, in minutes."""
    from dalign.cli.project import demo_project
    from dalign.cli.run import run_command

    how = {
        "redo": redo,
        "dry_run": dry_run,
        "as_json": json,
        "allow_missing": allow_missing,
        "retry_missing": retry_missing,
    }
    with demo_project(folder, smoke=smoke, dry_run=dry_run) as config:
        run_command(config, folder, set_ or [], None, None, **how)


@app.command(
    epilog="Example: dalign init my-project --model models/mine && dalign run my-project/dalign.toml --run runs/mine --dry-run"
)
def init(
    folder: Annotated[
        Path,
        Argument(
            metavar="DIR", readable=False, help="A folder that is not there yet, or is empty."
        ),
    ],
    model: Annotated[
        Path | None,
        Option(
            "--model",
            metavar="PATH",
            readable=False,
            help="Your checkpoint folder, or with --server the model's name there. Without it, the config has a place for it.",
        ),
    ] = None,
    server: Annotated[
        str | None,
        Option("--server", metavar="URL", help="An OpenAI-compatible server that has the model."),
    ] = None,
    sandbox: Annotated[
        bool,
        Option(
            "--sandbox",
            help="A project on the sandbox's small model and language, which runs as it stands in minutes.",
        ),
    ] = False,
) -> None:
    """Write a project to start from: a commented dalign.toml, a policy in English, prompts, suites and capability rows."""
    from dalign.cli import project
    from dalign.errors import InputError

    if sandbox and (model or server):
        said = "--sandbox has a model of its own; leave out --model and --server, or --sandbox"
        raise InputError(said, kind="not_valid")
    if sandbox:
        project.init_sandbox(folder)
    elif server is None:
        project.init_for_model(folder, model)
    elif model is None:
        said = "--server needs --model, the model's name there"
        raise InputError(said, kind="not_valid")
    else:
        project.init_for_server(folder, server, str(model))


@app.command(
    epilog="Example: dalign show 3f2a9c --run runs/first; dalign show 0 --run runs/first --tokens"
)
def show(
    row_id: Annotated[
        str,
        Argument(
            metavar="ROW_ID",
            help="The id of any row, or its first characters; with --tokens a packed row's number too, from 0.",
        ),
    ],
    run: RunFolder,
    tokens: Annotated[
        bool,
        Option(
            "--tokens",
            help="Print the packed row instead that SFT trains on: each token's id, text, sequence and weight.",
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Print a row's whole journey: prompt, completion, verdicts, example, training row, evaluation."""
    from dalign.cli.show import show_row
    from dalign.cli.tokens import show_tokens

    print_it = show_tokens if tokens else show_row
    print_it(row_id, run, as_json=json)


By = Annotated[
    str | None,
    Option(
        "--by",
        metavar="KEY",
        help="A key of the suites' prompts: category, ruling, clause, split, or one of your own.",
    ),
]
CardFile = Annotated[
    Path | None,
    Option(
        "--card",
        metavar="CARD",
        readable=False,
        help="A judge's card (dalign judge calibrate): the judge's rates, put right by its errors; unless given, the run's own (evaluate.judge_card).",
    ),
]
Worst = Annotated[
    float | None,
    Option(
        "--worst",
        metavar="SHARE",
        help="What is worst of each prompt's variants (dalign data transform): 0.1 is the paper's goodness@0.1, 0 the worst one alone.",
    ),
]
VariantsOf = Annotated[
    str | None,
    Option(
        "--of",
        metavar="KEY",
        help="With --worst: variants are prompts that say the same under this key; origin unless given.",
    ),
]


@app.command(epilog="Example: dalign results runs/first --by category")
def results(
    run: Annotated[Path, Argument(metavar="RUN", readable=False, help="The run's folder.")],
    by: By = None,
    card: CardFile = None,
    worst: Worst = None,
    variants_of: VariantsOf = None,
    json: AsJson = False,
) -> None:
    """Print a run's results, by arm and suite, for each value of a key of the prompts, or by the worst of their variants."""
    from dalign.cli.results import print_results, print_worst

    if sum(each is not None for each in (by, card, worst)) > 1:
        said = "--by, --card and --worst each ask for a table of their own; give one of them"
        raise typer.BadParameter(said)
    if worst is None and variants_of is not None:
        raise typer.BadParameter("--of says how --worst tells variants; give that too")
    if worst is None:
        print_results(run, by, card, as_json=json)
    else:
        print_worst(run, worst, variants_of, as_json=json)


@app.command(epilog="Example: dalign compare runs/first runs/second --arm sft+rl")
def compare(
    run_a: Annotated[Path, Argument(metavar="RUN_A", readable=False, help="A run's folder.")],
    run_b: Annotated[
        Path, Argument(metavar="RUN_B", readable=False, help="The one that is held against it.")
    ],
    arm: Annotated[
        list[str] | None,
        Option(
            "--arm",
            metavar="ARM",
            help="An arm, or one of each run: sft,sft+rl; may be given again. Else all that both have.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Print what a run has more of each metric than another, on the same prompts and samples: interval, p, what could be seen."""
    from dalign.cli.compare import compare_runs

    compare_runs(run_a, run_b, arm or [], as_json=json)


@app.command(epilog="Example: dalign verify runs/first")
def verify(
    run: Annotated[Path, Argument(metavar="RUN", help="The run's folder.")],
    json: AsJson = False,
) -> None:
    """Check every file of a run against its hash; name what is damaged or lost, and what mends it."""
    from dalign.cli.verify import verify_run

    verify_run(run, as_json=json)


@app.command(epilog="Example: dalign export runs/first sft.jsonl --form trl")
def export(
    run: Annotated[Path, Argument(metavar="RUN", help="The run's folder.")],
    out: Annotated[
        Path, Argument(metavar="OUT", readable=False, help="A .jsonl or .parquet file.")
    ],
    form: Annotated[
        str, Option("--form", help="trl (prompt and completion), messages, verl or axolotl.")
    ],
    what: Annotated[
        str, Option("--what", help="sft: the examples; rl: the prompts of RL.")
    ] = "sft",
    force: Annotated[bool, Option("--force", help="Overwrite OUT.")] = False,
    json: AsJson = False,
) -> None:
    """Write a run's examples, or its RL prompts, as TRL, verl or axolotl read them."""
    from dalign.cli.export import export_rows

    export_rows(run, out, form, what, force=force, as_json=json)


def _stage_command(stage: str, what: str, example: str = "") -> None:
    """Registers the command of one stage. example: what its example has beside config and folder."""

    of, name = (judge, "stage") if stage == judge.info.name else (app, stage)

    @of.command(
        name=name,
        help=what,
        epilog=f"Example: dalign {stage} dalign.toml --run runs/first{example}",
    )
    def _run_stage(
        run: RunFolder,
        config: ConfigPath = None,
        variant: Variant = None,
        set_: Sets = None,
        redo: Redo = False,
        dry_run: DryRun = False,
        allow_missing: AllowMissing = False,
        retry_missing: RetryMissing = False,
        force: Force = False,
        limit: LimitRows = None,
        json: AsJson = False,
    ) -> None:
        from dalign.cli.run import run_command

        how = {
            "redo": redo,
            "dry_run": dry_run,
            "as_json": json,
            "allow_missing": allow_missing,
            "retry_missing": retry_missing,
        }
        run_command(config, run, _sets(set_, limit, force=force), stage, variant, **how)

    if stage != "evaluate":
        # Nothing else grades.
        _run_stage.__annotations__["allow_missing"] = _NothingMissing


for _stage in STAGES.values():
    _stage_command(_stage.name, _stage.does, _stage.example)


_whole_command("report", "Write report.html and results.json from what the stages left.", "report")
judge.info.help = f"{STAGES['judge'].does} And: calibrate, a judge held against people's labels; attack, a judge asked for scores by what it judges."
app.add_typer(judge)
app.add_typer(ablate)
app.add_typer(spec)
app.add_typer(data)
app.add_typer(cache)
