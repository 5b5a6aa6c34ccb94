"""Projects on the sandbox: the demo's, and one for a user to start from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError

from dalign.cli.new_folder import new_folder
from dalign.cli.terminal import tell
from dalign.config import Model
from dalign.errors import InputError, naming
from dalign.models.checkpoint import check_checkpoint
from dalign.pipeline.rendering import form_of
from dalign.pipeline.run import check_unused
from dalign.sandbox import settings
from dalign.sandbox.project import write_project
from dalign.settings import commented_toml, hub_hint
from dalign.spec.starter import MODEL, POLICY, VALIDATION, starter_values, write_starter
from dalign.store.damage import is_run
from dalign.store.ledger import PROJECT, PROJECT_CONFIG
from dalign.store.run import has_stages

_SANDBOXS = """\
# These numbers are the sandbox model's: its scale of scores, learning rates and lengths suit no other.
# For a model of your own: dalign init DIR --model PATH

"""


@contextmanager
def demo_project(folder: Path, *, smoke: bool, dry_run: bool) -> Iterator[Path | None]:
    """The config of the demo's project, which is written into the run's folder; None once the run has been started.

    Raises InputError for a folder with files of the user's. A dry run leaves nothing there.
    """
    if is_run(folder) or has_stages(folder):
        yield None
        return
    check_unused(folder)
    config = commented_toml(settings.smoke_values() if smoke else settings.demo_values())
    sizes = settings.SMOKE_SIZES if smoke else settings.DEMO_SIZES
    if dry_run:
        with TemporaryDirectory() as place:
            yield write_project(Path(place), config=config, sizes=sizes)
        return
    project = folder / PROJECT
    written = project / PROJECT_CONFIG
    if project.exists() and not (written.is_file() and written.read_bytes() == config.encode()):
        said = (
            f"{project}: holds files that are not of this demo; name another folder, or remove it"
        )
        raise InputError(said, kind="no_run", path=project)
    with naming(folder):
        path = write_project(project, config=config, sizes=sizes)
    yield path


def init_for_model(folder: Path, model: Path | None) -> None:
    """Writes a project in English for a checkpoint of the user's, or for one that is still to be named.

    Raises InputError if it is none, or if the folder holds anything.
    """
    if model is None:
        _init_starter(folder, {"path": MODEL})
        tell(
            f"Its model is to be named: put your checkpoint at {folder / MODEL}, or its path under [model]."
        )
        return
    checkpoint = Path(os.path.abspath(model.expanduser()))  # noqa: PTH100 - links stay links
    if not checkpoint.is_dir():
        raise InputError.in_file(model, f"no such folder; {hub_hint(model)}", kind="missing_folder")
    check_checkpoint(checkpoint)
    form = form_of(checkpoint)
    shows_none = form is not None and form.in_doubt
    values: dict[str, Any] = {"path": str(checkpoint)}
    _init_starter(folder, values | ({"reasoning": {"kind": "none"}} if shows_none else {}))
    if shows_none:
        tell(
            "Nothing in the model's files shows how it reasons: model.reasoning.kind is 'none', the whole reply is the answer. Name its form there if it has one."
        )


def init_for_server(folder: Path, address: str, name: str) -> None:
    """Writes a project in English for a model of a server. Raises InputError for an address that is none, or if the folder holds anything."""
    model = {"engine": "openai", "base_url": address, "path": name}
    try:
        Model.model_validate(model)
    except ValidationError as error:
        said = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise InputError(f"--server {said}", kind="not_valid") from error
    _init_starter(folder, model)
    tell(
        "A server's model is trained from its files: name their folder as model.checkpoint. Without it, everything but training can be done."
    )


def _init_starter(folder: Path, model: dict[str, Any]) -> None:
    with new_folder(folder):
        path = write_starter(folder, commented_toml(starter_values(model)))
    run = f"{quote(str(path))} --run {quote(f'runs/{folder.name}')}"
    tell(
        f"wrote {path}, {folder / 'spec'}, {folder / 'prompts.jsonl'}, {folder / 'capability.jsonl'} and {folder / 'suites'}\n"
        f"The policy is a copy of '{POLICY}'; the prompts are labelled by its clauses, and the suites are others of the same kind: a start, too few to prove anything.\n"
        f"  dalign run {run} --dry-run    # what it would do, and what would stop it\n"
        f"  dalign run {run}-trial --limit 4    # everything, on few rows\n"
        f"To make it yours: edit spec/ (one Markdown file a category), bring prompts and suites of your own, and name a judge that is better than the model under [judge_model]. suites/{VALIDATION}.jsonl is there to choose settings by."
    )


def init_sandbox(folder: Path) -> None:
    """Writes a project on the sandbox, which runs as it stands. Raises InputError if the folder holds anything."""
    config = _SANDBOXS + commented_toml(settings.project_values())
    with new_folder(folder):
        path = write_project(folder, config=config, sizes=settings.PROJECT_SIZES)
    run = quote(f"runs/{folder.name}")
    tell(
        f"wrote {path}, {folder / 'spec'}, {folder / 'prompts.jsonl'}, {folder / 'capability.jsonl'} and {folder / 'suites'}\n"
        f"It runs as it stands, on the sandbox's model:\n"
        f"  dalign run {quote(str(path))} --run {run}\n"
        "Its numbers, prompts, suites and spec/templates are for that model and its small language alone.\n"
        "For a model of your own: dalign init DIR --model PATH"
    )
