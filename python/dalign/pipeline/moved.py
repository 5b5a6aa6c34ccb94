"""The config that a run's folder goes on with: its own, that of a project in it that was moved with it, or the user's."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from dalign.config import Config
from dalign.errors import InputError
from dalign.settings import check_paths, load_config
from dalign.store.damage import is_run
from dalign.store.ledger import PROJECT, PROJECT_CONFIG, has_ledger, saved_config
from dalign.store.run import making_anew


def started_with(folder: Path) -> Config | None:
    """The config that a run was started with; None where it cannot be read: who compares it says so."""
    try:
        with saved_config(folder) as saved:
            return load_config(saved, [])
    except InputError:
        return None


def has_config(folder: Path) -> bool:
    """Whether a folder is a run's that tells with what config it was started: its ledger or its config can be read."""
    return is_run(folder) and (has_ledger(folder) or started_with(folder) is not None)


def check_files(config: Config, folder: Path) -> None:
    """Raises InputError for the first path of the config that is not there; where the folder was moved, it says so."""
    try:
        check_paths(config)
    except InputError as error:
        own = folder / PROJECT / PROJECT_CONFIG
        here = (folder.absolute(), folder.resolve())
        below = error.path is not None and any(map(error.path.is_relative_to, here))
        if below or not own.is_file():
            raise
        said = f"{str(error).partition('; ')[0]}; where the run's folder was moved with its project, {_moved(folder)} goes on"
        raise error.worded(said) from error


def going_on(folder: Path) -> str:
    """The command that goes on with a run: with its project's config, where the files that its own names are not there."""
    if not has_config(folder):
        return making_anew(folder)
    usual = f"`dalign run --run {quote(str(folder))}`"
    try:
        with saved_config(folder) as saved:
            check_files(load_config(saved, []), folder)
    except InputError as error:
        moved = _moved(folder)
        return moved if moved in str(error) else usual
    return usual


def _moved(folder: Path) -> str:
    own = folder / PROJECT / PROJECT_CONFIG
    return f"`dalign run {quote(str(own))} --run {quote(str(folder))} --redo`"
