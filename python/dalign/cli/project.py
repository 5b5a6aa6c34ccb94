"""Projects on the sandbox: the demo's, and one for a user to start from."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from dalign.cli.new_folder import new_folder
from dalign.cli.terminal import tell
from dalign.errors import naming
from dalign.sandbox import settings
from dalign.sandbox.project import write_project
from dalign.settings import commented_toml
from dalign.store.damage import CONFIG


def demo_config(folder: Path, *, smoke: bool) -> Path | None:
    """The demo's config, its project written into the run folder; None once the run has been started."""
    if (folder / CONFIG).is_file():
        return None
    values = settings.smoke_values() if smoke else settings.demo_values()
    sizes = settings.SMOKE_SIZES if smoke else settings.DEMO_SIZES
    with naming(folder):
        return write_project(folder / "project", config=commented_toml(values), sizes=sizes)


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
