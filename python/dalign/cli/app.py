"""The commands: one a stage, `run` for all of them, `init`, `demo`, `show`, `report`, `spec` and `data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dalign.cli.data.app import data
from dalign.cli.spec.app import spec
from dalign.vocabulary import STAGES

app = typer.Typer(
    name="dalign",
    help="Train a reasoning model to follow a written safety policy by deliberative alignment, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ConfigPath = Annotated[
    Path | None,
    typer.Argument(
        metavar="CONFIG",
        help="The config file; without it, the one that the run folder was started with.",
    ),
]
RunFolder = Annotated[
    Path,
    typer.Option(
        "--run",
        metavar="FOLDER",
        help="The run's folder: made if it is not there, gone on with if it is.",
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=C", help="A setting over the config's; may be given again."),
]
Redo = Annotated[
    bool,
    typer.Option(
        "--redo",
        help="Accept a changed config: stages that it touches run again, the rest is kept.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check all input, print the plan, and stop.")
]
AllowMissing = Annotated[
    bool,
    typer.Option(
        "--allow-missing",
        help="Exit with 0 although more of a metric's grades are missing than evaluate.max_missing allows.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Variant = Annotated[
    str | None,
    typer.Option(
        "--variant",
        help="One variant of the stage alone: an arm for rl and evaluate, main or sft for the others.",
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        from dalign import _core

        typer.echo(_core.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the command itself."""


@app.command(epilog="Example: dalign run dalign.toml --run runs/first --set judge.k=8")
def run(
    run: RunFolder,
    config: ConfigPath = None,
    set_: Sets = None,
    redo: Redo = False,
    dry_run: DryRun = False,
    allow_missing: AllowMissing = False,
    json: AsJson = False,
) -> None:
    """Run all stages of a config: generate, filter, judge, select, pack, sft, rl, evaluate, report."""
    from dalign.cli.run import run_command

    run_command(
        config,
        run,
        set_ or [],
        redo=redo,
        dry_run=dry_run,
        as_json=json,
        allow_missing=allow_missing,
    )


@app.command(epilog="Example: dalign demo runs/demo")
def demo(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")] = Path("runs/demo"),
    smoke: Annotated[
        bool,
        typer.Option("--smoke", help="The same stages on very little data: does everything run?"),
    ] = False,
    set_: Sets = None,
    redo: Redo = False,
    dry_run: DryRun = False,
    allow_missing: AllowMissing = False,
    json: AsJson = False,
) -> None:
    """Run everything on the sandbox that dalign ships: a tiny model, a policy, and every arm, in minutes."""
    from dalign.cli.project import demo_config
    from dalign.cli.run import run_command

    run_command(
        demo_config(folder, smoke=smoke),
        folder,
        set_ or [],
        redo=redo,
        dry_run=dry_run,
        as_json=json,
        allow_missing=allow_missing,
    )


@app.command(
    epilog="Example: dalign init my-project && dalign run my-project/dalign.toml --run runs/mine"
)
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder that is not there yet, or is empty.")
    ],
) -> None:
    """Write a project to start from: a commented dalign.toml, a policy and prompts, ready to run on the sandbox."""
    from dalign.cli.project import init_project

    init_project(folder)


@app.command(epilog="Example: dalign show 3f2a9c --run runs/first")
def show(
    row_id: Annotated[
        str, typer.Argument(metavar="ROW_ID", help="The id of any row, or its first characters.")
    ],
    run: RunFolder,
    json: AsJson = False,
) -> None:
    """Print a row's whole journey: prompt, completion, verdicts, example, training row, evaluation."""
    from dalign.cli.show import show_row

    show_row(row_id, run, as_json=json)


def _stage_command(stage: str, what: str, example: str = "") -> None:
    """Registers the command of one stage. example: what its example has beside config and folder."""

    @app.command(
        name=stage,
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
        json: AsJson = False,
    ) -> None:
        from dalign.cli.run import run_command

        run_command(
            config,
            run,
            set_ or [],
            redo=redo,
            dry_run=dry_run,
            as_json=json,
            stage=stage,
            variant=variant,
        )


for _stage in STAGES.values():
    _stage_command(_stage.name, _stage.does, _stage.example)


@app.command(epilog="Example: dalign report dalign.toml --run runs/first")
def report(
    run: RunFolder,
    config: ConfigPath = None,
    set_: Sets = None,
    redo: Redo = False,
    dry_run: DryRun = False,
    allow_missing: AllowMissing = False,
    json: AsJson = False,
) -> None:
    """Write report.html and results.json from what the stages left."""
    from dalign.cli.run import REPORT_ALONE, run_command

    run_command(
        config,
        run,
        set_ or [],
        redo=redo,
        dry_run=dry_run,
        as_json=json,
        allow_missing=allow_missing,
        stage=REPORT_ALONE,
    )


app.add_typer(spec)
app.add_typer(data)
