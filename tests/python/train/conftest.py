"""The models that the tests of training start from."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from dalign.config import Sft
from dalign.train.job import SftJob
from dalign.train.run import train_sft
from tiny import packed, quietly, save_random, taught, written

# Trainers of TRL 1.16 ask a model for it.
NOT_OURS = ("`is_gradient_checkpointing`",)


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen3 of random weights."""
    pytest.importorskip("torch")
    pytest.importorskip("trl")
    return save_random(tmp_path_factory.mktemp("random"))


@pytest.fixture(scope="session")
def taught_model(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen3 that mostly completes in good form."""
    folder = tmp_path_factory.mktemp("taught")
    given = {"epochs": 20, "rows_per_step": 2, "learning_rate": 1e-2, "warmup_steps": 3}
    job = SftJob(
        start=random_model,
        rows=[written(packed(taught(), per_bin=6), folder / "rows.parquet")],
        settings=Sft.model_validate(given),
        seed=0,
    )
    return train_sft(job, folder / "sft", quietly).final


@pytest.fixture
def outdated(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """Tells which names of ours the libraries of a training have said that they will remove."""
    pytest.importorskip("trl")
    from dalign.train import session

    # A training hides what its libraries say.
    monkeypatch.setattr(session, "quiet_libraries", nullcontext)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield lambda: [
            str(warning.message)
            for warning in caught
            if issubclass(warning.category, (FutureWarning, DeprecationWarning))
            and not any(name in str(warning.message) for name in NOT_OURS)
        ]
