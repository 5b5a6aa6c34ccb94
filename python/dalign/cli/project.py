"""Projects on the sandbox: the demo's, and one for a user to start from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory

from dalign.cli.new_folder import new_folder
from dalign.cli.terminal import tell
from dalign.errors import InputError, naming
from dalign.pipeline.run import check_unused
from dalign.sandbox import settings
from dalign.sandbox.project import write_project
from dalign.settings import commented_toml
from dalign.store.damage import is_run
from dalign.store.ledger import PROJECT, PROJECT_CONFIG
from dalign.store.run import has_stages


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


def init_project(folder: Path) -> None:
    """Writes a project to start from. Raises InputError if the folder holds anything."""
    config = commented_toml(settings.project_values())
    with new_folder(folder):
        path = write_project(folder, config=config, sizes=settings.PROJECT_SIZES)
    run = quote(f"runs/{folder.name}")
    tell(
        f"wrote {path}, {folder / 'spec'}, {folder / 'prompts.jsonl'}, {folder / 'capability.jsonl'} and {folder / 'suites'}\n"
        f"It runs as it stands, on the sandbox's model:\n"
        f"  dalign run {quote(str(path))} --run {run}\n"
        "To make it yours: write your policy into spec/ (one Markdown file a category), your prompts into prompts.jsonl,\n"
        "set model.path to your checkpoint, and delete spec/templates, which is in the sandbox's language: the shipped English templates then apply."
    )
