"""The errors that a user meets. Each message is one sentence: place, value, and the way out."""

from __future__ import annotations

from collections.abc import Iterable


class DalignError(Exception):
    """The base of dalign's errors: the command prints its message and exits with code 1."""


class InputError(DalignError, ValueError):
    """Something that the user gave (config, prompts, spec, checkpoint, run folder) cannot be used."""


class MissingExtraError(DalignError, ImportError):
    """A package that an extra brings is not installed."""


class UnjudgedError(DalignError, ValueError):
    """A judgement that did not happen was asked for its score."""


class QuotaError(DalignError, ValueError):
    """A category has too few examples left."""


class ServerError(DalignError, RuntimeError):
    """A model server could not be reached or refused."""


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """The way out for a word that is none of `known`: the nearest one, or else all of them."""
    import difflib

    words = list(known)
    near = difflib.get_close_matches(value, words, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(words)}"


class WorkerError(DalignError, RuntimeError):
    """A process that worked for a run is gone."""
