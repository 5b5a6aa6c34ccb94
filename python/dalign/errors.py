"""The errors that a user meets. Each message is one sentence: place, value, and the way out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from dalign import _core

# The user and the password of an address, which no message is to repeat.
_CREDENTIALS = re.compile(r"(?<=://)\S+@")


class DalignError(Exception):
    """The base of dalign's errors: the command prints its message and exits with code 1.

    What is known of the cause stands in attributes too, for programs; None where it is not known.
    kind: the cause, to be matched on, such as `unknown_key` or the core's `row_too_long`.
    path: the file or folder. line: counted from 1. row: counted from 0. key: the setting or field.
    value: what was refused. limit: what the value had to keep.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str | None = None,
        path: Path | None = None,
        line: int | None = None,
        row: int | None = None,
        key: str | None = None,
        value: object = None,
        limit: object = None,
    ) -> None:
        super().__init__(_CREDENTIALS.sub("***@", message))
        self.kind, self.path, self.line, self.row = kind, path, line, row
        self.key, self.value, self.limit = key, value, limit


class InputError(DalignError, ValueError):
    """Something that the user gave (config, prompts, spec, checkpoint, run folder) cannot be used."""

    @classmethod
    def in_file(
        cls,
        path: Path,
        what: str,
        *,
        kind: str,
        line: int | None = None,
        key: str | None = None,
        value: object = None,
    ) -> Self:
        """The error of a file or folder: its place, and `what` is wrong with it."""
        place = path if line is None else f"{path}:{line}"
        return cls(f"{place}: {what}", kind=kind, path=path, line=line, key=key, value=value)


class BusyError(InputError):
    """Another process works in the run folder: it can be waited for."""


class ChangedConfigError(InputError):
    """The run was started with another config: another folder or `--redo` goes on."""


class UnfinishedError(InputError):
    """Stages of the run have not finished: they can be run first."""


# ImportError has a `path` of its own, a text; nothing sets it here.
class MissingExtraError(DalignError, ImportError):  # type: ignore[misc]
    """A package that an extra brings is not installed."""


class UnjudgedError(DalignError, ValueError):
    """A judgement that did not happen was asked for its score."""


class QuotaError(DalignError, ValueError):
    """A category has too few examples left."""


class ServerError(DalignError, RuntimeError):
    """A model server could not be reached or refused."""


class WorkerError(DalignError, RuntimeError):
    """A process that worked for a run is gone."""


def from_core(error: _core.CoreError, message: str, *, path: Path | None) -> InputError:
    """What the core refuses, as an error of dalign with the core's kind, row, value and limit."""
    return InputError(
        message, kind=error.kind, path=path, row=error.row, value=error.value, limit=error.limit
    )


def from_system(error: OSError) -> InputError:
    """What the system refuses of a file or folder, as an error of dalign."""
    path = Path(str(error.filename))
    what = f"{error.strerror}; see to its place and its permissions, or name another one"
    return InputError.in_file(path, what, kind="system")


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """The way out for a word that is none of `known`: the nearest one, or else all of them."""
    import difflib

    words = list(known)
    near = difflib.get_close_matches(value, words, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(words)}"
