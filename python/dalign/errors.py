"""The errors that a user meets. Each message is one sentence: place, value, and the way out."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, ClassVar, Self

from dalign.panics import is_panic

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
    "unequal_lengths", "over_long", "row_too_long", "row_too_large", "too_large", "limit", "policy_in_prompt",
    # Models: their tokenizer, code, replies and servers.
    "no_tokenizer", "missing_tokenizer", "missing_template", "missing_weights", "missing_extra", "adapter", "pickle", "not_loaded",
    "remote_code", "unfit_model", "wrong_replies", "server", "api_key",
    # Runs: their folder, config, stages and processes.
    "cap", "no_run", "no_suites", "no_such_stage", "no_row", "several_rows", "overrides", "changed_config", "unfinished", "busy", "worker",
    "several_processes", "unjudged", "too_few_examples", "not_admitted", "alarm",
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
        said = f"{run}: {stage} has not finished, or its inputs have changed; run it first (dalign run --run {quote(str(run))})"
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


class CapError(DalignError, RuntimeError, kind="cap"):
    """A run has taken as much as its config lets it; it goes on from there under another cap."""


class WorkerError(DalignError, RuntimeError, kind="worker"):
    """A process that worked for a run is gone."""


def from_core(error: _core.CoreError, message: str, *, path: Path | None) -> InputError:
    """What the core refuses, as an error of dalign with the core's kind, row, value and limit."""
    return InputError(
        message, kind=error.kind, path=path, row=error.row, value=error.value, limit=error.limit
    )


# Libraries whose faults are those of the files that they read or write, and the way out.
_LIBRARIES: Mapping[str, str] = {
    "polars": "of a run, `dalign verify RUN` names what is damaged, and `dalign run` redoes it",
    "safetensors_rust": "copy the checkpoint again",
}
# What to do about what the system refuses, by its number for it.
_WAYS_OUT: Mapping[int, str] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space"),
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "raise the limit on open files (ulimit -n)"),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP), "name another place"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "see to its permissions, or name another place"),
}  # fmt: skip
_PLACE = "see to its place and its permissions, or name another one"
_NUMBER = re.compile(r"\(os error (\d+)\)|\[Errno (\d+)\]")


def outside(error: BaseException) -> DalignError | None:
    """What has gone wrong outside of the program, as an error of dalign; None for a fault of the program."""
    if isinstance(error, DalignError):
        return error
    library = type(error).__module__.partition(".")[0]
    # The core's of other languages tell what the system has said by its number in their sentence.
    if isinstance(error, OSError) or (library in _LIBRARIES and _NUMBER.search(str(error))):
        return from_system(error)
    reason = str(error).strip().partition("\n")[0]
    if type(error).__name__ == "CoreError":
        return InputError(
            f"{reason}; see to that row of the input", kind=getattr(error, "kind", None)
        )
    told = {
        "MemoryError": "the memory is not enough; give a smaller batch_size, --memory-mib or input",
        "OutOfMemoryError": f"the memory of the device is not enough ({reason}); lower batch_size",
        "OverflowError": f"a number of the input is too large ({reason}); give a smaller one",
        "RecursionError": "something in the input is nested too deep to be read; a few levels are usual",
    }
    kind, said = "limit", told.get(type(error).__name__)
    if isinstance(error, UnicodeError):
        kind, said = "encoding", f"a text that is not UTF-8 ({reason}); mend the file, or its name"
    elif is_panic(error) and said is None:
        kind = "damaged_file"
        said = f"a table, a tokenizer or another file is of a form that stops the core ({reason}); make the file that was read again"
    elif library in _LIBRARIES and said is None:
        kind = "damaged_file"
        said = f"a table is damaged or has other columns than dalign makes ({reason}); {_LIBRARIES[library]}"
    return None if said is None else InputError(said, kind=kind)


_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def from_system(error: BaseException, path: Path | None = None) -> InputError:
    """What the system refuses of a file or folder, as an error of dalign. path: where the error names none."""
    named, number, reason = path, None, str(error).strip().partition("\n")[0]
    if isinstance(error, OSError):
        number = error.errno
        # Where one file is copied to another, what has no room is the other.
        file = error.filename2 if number in _NO_ROOM and error.filename2 else error.filename
        named = path if file is None else Path(os.fsdecode(file))
    if number is None and (match := _NUMBER.search(str(error))):
        number = int(match[1] or match[2])
    reason = reason if number is None else os.strerror(number)
    what = f"{reason}; {_WAYS_OUT.get(number or 0, _PLACE)}, and the same command goes on from here"
    if named is None:
        return InputError(what, kind="system")
    return InputError.in_file(named, what, kind="system")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Around what reads or writes a file: what the system refuses inside names the file."""
    try:
        yield
    except OSError as error:
        raise from_system(error, path) from error


def no_file(path: Path) -> str:
    """What a path is that is not the file that it should be."""
    if path.is_dir():
        return "is a folder"
    return "is no regular file" if path.exists() else "no such file"


def check_name(path: Path) -> None:
    """Raises InputError for a path that a table, a config or a report cannot hold as a text."""
    whole = str(path.absolute())
    if "\0" in whole or whole.encode("utf-8", "replace").decode() != whole:
        said = "a name that is not UTF-8, or that holds a NUL; rename it"
        raise InputError.in_file(path, said, kind="encoding")


def check_place(out: Path, *, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Raises InputError where a result cannot be written: no such folder, a folder there, an input, or, unless `force`, anything."""
    check_name(out)
    kind = what = ""
    if not out.parent.is_dir():
        kind, what = "missing_folder", f"there is no folder {out.parent}; make it first"
    elif out.is_dir():
        kind, what = "exists", "is a folder; name another file"
    elif out.exists() and any(each.exists() and out.samefile(each) for each in inputs):
        kind, what = "is_input", "is the input; name another file, rows are never edited"
    elif out.exists() and not force:
        kind, what = "exists", "is there already; name another file, or overwrite it with --force"
    if what:
        raise InputError.in_file(out, what, kind=kind)


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """The way out for a word that is none of `known`: the nearest one, or else all of them."""
    import difflib

    words = list(known)
    near = difflib.get_close_matches(value, words, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(words)}"
