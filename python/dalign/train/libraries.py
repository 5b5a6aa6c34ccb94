"""The libraries that training stands on: whether they are there, and off the terminal."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from dalign.errors import MissingExtraError

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
LOGGERS = ("transformers", "trl", "accelerate", "datasets", "peft", "huggingface_hub")


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


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Hides warnings and bars of the training libraries; their errors still come through."""
    from datasets.utils.logging import disable_progress_bar as no_dataset_bars
    from transformers.utils import logging as transformers_logging

    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    # The one switch that TRL offers for its notes on experimental arguments.
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    no_dataset_bars()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()
