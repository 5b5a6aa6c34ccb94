"""The errors that a user meets. Each message is one sentence: place, value, and the way out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from dalign import _core

# The user and the password of an address, which no message is to repeat.
_CREDENTIALS = re.compile(r"(?<=://)\S+@")


# What `kind` may be, beside the kinds that the core tells.
KINDS = frozenset((
    # Files and folders: absent, there already, refused by the system, not whole, of no use.
    "missing_file", "missing_folder", "exists", "is_input", "system", "unreadable_file", "unwritable_file", "damaged_file", "empty",
    # What stands in them: bytes, form, rows, keys, values.
    "encoding", "syntax", "bad_row", "bad_field", "missing_field", "missing_key", "unknown_key", "repeated", "wrong_type",
    "not_valid", "wrong_form", "out_of_range", "too_small", "not_finite", "broken_rule", "pattern", "template", "unknown_choice", "unknown_category",
    "unequal_lengths", "over_long", "row_too_long", "policy_in_prompt",
    # Models: their tokenizer, code, replies and servers.
    "no_tokenizer", "missing_tokenizer", "missing_extra", "remote_code", "unfit_model", "wrong_replies", "server",
    # Runs: their folder, config, stages and processes.
    "no_run", "no_suites", "no_such_stage", "no_row", "several_rows", "overrides", "changed_config", "unfinished", "busy", "worker",
    "several_processes", "unjudged", "too_few_examples",
))  # fmt: skip


class DalignError(Exception):
    """The base of dalign's errors: the command prints its message and exits with code 1.

    What is known of the cause stands in attributes too, for programs; None where it is not known.
    kind: the cause, to be matched on: one of `KINDS`, or the core's, such as `row_too_large`; a class of one kind has it by itself.
    path: the file or folder. line: counted from 1. row: counted from 0. key: the setting or field.
    value: what was refused. limit: what the value had to keep.
    """

    KIND: ClassVar[str | None] = None

    def __init_subclass__(cls, kind: str | None = None) -> None:
        cls.KIND = kind or cls.KIND

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
        self.kind, self.path, self.line, self.row = kind or self.KIND, path, line, row
        self.key, self.value, self.limit = key, value, limit

    def worded(self, message: str) -> Self:
        """The same error in other words."""
        return type(self)(message, **vars(self))


class InputError(DalignError, ValueError):
    """Something that the user gave (config, prompts, spec, checkpoint, run folder) cannot be used."""

    @classmethod
    def in_file(
        cls,
        path: Path,
        what: str,
        *,
        kind: str | None = None,
        line: int | None = None,
        key: str | None = None,
        value: object = None,
    ) -> Self:
        """The error of a file or folder: its place, and `what` is wrong with it."""
        place = path if line is None else f"{path}:{line}"
        return cls(f"{place}: {what}", kind=kind, path=path, line=line, key=key, value=value)


class BusyError(InputError, kind="busy"):
    """Another process works in the run folder: it can be waited for."""


class ChangedConfigError(InputError, kind="changed_config"):
    """The run was started with another config: another folder or `--redo` goes on."""


class UnfinishedError(InputError, kind="unfinished"):
    """Stages of the run have not finished: they can be run first."""

    @classmethod
    def of(cls, run: Path, stage: str) -> Self:
        """The error of one of them."""
        said = f"{run}: {stage} has not finished, or its inputs have changed; run it first (dalign run --run {run})"
        return cls(said, kind="unfinished", path=run, value=stage)


# ImportError has a `path` of its own, a text; nothing sets it here.
class MissingExtraError(DalignError, ImportError, kind="missing_extra"):  # type: ignore[misc]
    """A package that an extra brings is not installed."""


class UnjudgedError(DalignError, ValueError, kind="unjudged"):
    """A judgement that did not happen was asked for its score."""


class QuotaError(DalignError, ValueError, kind="too_few_examples"):
    """A category has too few examples left."""


class ServerError(DalignError, RuntimeError, kind="server"):
    """A model server could not be reached or refused."""


class WorkerError(DalignError, RuntimeError, kind="worker"):
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
