"""Readers of prompts, one file a form: `prompt_rows(path, spec)` of the file that is called like the form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from dalign.errors import InputError, did_you_mean
from dalign.rows import Prompt
from dalign.spec.types import Spec


def adapter(form: str, spec: Spec) -> Callable[[Path], Iterator[Prompt]]:
    """The reader of a form, of prompts of that policy. Raises InputError for one that there is not."""
    known = [module.name for module in iter_modules(__path__)]
    if form not in known:
        said = f"format = {form!r}: no such form; {did_you_mean(form, known)}"
        raise InputError(said, kind="unknown_choice")
    module = import_module(f"{__name__}.{form}")
    return lambda path: module.prompt_rows(path, spec)
