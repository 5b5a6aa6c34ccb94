"""What is damaged or lost in a run's folder: one sentence, with the way out that loses least."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dalign.errors import InputError

if TYPE_CHECKING:
    from dalign.store.whole_files import Json

_AGAIN = "delete manifest.json and inputs.json beside it, and the stage runs again with the replies that it has"
_SPARE = ("cost.json", "curve.json", "elapsed.json", "inputs.json")


def damaged(path: Path, why: object) -> InputError:
    """The error of a file of a run that cannot be read."""
    inputs = [up for up in list(path.parents)[:3] if (up / "sources.json").is_file()]
    if path.name in _SPARE or path.parent.name == "earlier":
        way_out = "delete it"
    elif inputs:
        way_out = f"delete the folder {inputs[0]}, and `dalign run` reads your files again"
    elif (path.parent / "job.json").is_file():
        way_out = f"delete the folder {path.parent}, and `dalign run` trains again"
    else:
        way_out = _AGAIN
    reason = str(why).strip().partition("\n")[0]
    return InputError.in_file(path, f"damaged or lost ({reason}); {way_out}", kind="damaged_file")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around what reads a file of a run: what fails in it is the file's fault."""
    import polars as pl

    try:
        yield
    except InputError:
        raise
    except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:  # fmt: skip
        raise damaged(path, error) from error


def read_object(path: Path) -> dict[str, Json]:
    """A JSON object that a run has written."""
    with reading(path):
        value: Any = json.loads(path.read_text("utf-8"))
        if not isinstance(value, dict):
            raise TypeError("not a JSON object")
        return value
