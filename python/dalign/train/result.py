"""What a training returns, and the packages that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dalign.errors import MissingExtraError

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")

StepRow = Mapping[str, float | int | None]


@dataclass(frozen=True)
class TrainResult:
    """Where the trained checkpoint lies, and one row of figures a step."""

    final: Path
    curve: tuple[StepRow, ...]


def require_packages() -> None:
    """Checks that the packages of the extra `train` are installed.

    Raises MissingExtraError naming the first that is not.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtraError(
                f"training needs the package {package}; install it with: pip install "
                "'dalign[train]'"
            )
