"""A training's figures where a user looks at those of others too: TensorBoard, Weights & Biases, MLflow, Trackio.

Each is asked for by name, and configured by its own environment variables (its server, its key). What it is told stands in the
training's own curve as well, which is what dalign reads.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from dalign.errors import InputError
from dalign.text import one_line
from dalign.train.job import StepRow, Tracking

# A project or an experiment, unless the tracker's own variable names one.
_PROJECT = "dalign"


class Tracker(ABC):
    """One place that figures go to. module_name: what is imported; package: what has to be installed for it."""

    module_name: str
    package: str

    def __init__(self, folder: Path, name: str, first: int) -> None:
        """Begins, or goes on. folder: for files of its own; name: of the training, for people; first: the step that comes next."""
        self.module = import_module(self.module_name)
        self.begin(folder, name, first)

    @abstractmethod
    def begin(self, folder: Path, name: str, first: int) -> None:
        """See `__init__`."""

    @abstractmethod
    def log(self, step: int, figures: dict[str, float]) -> None:
        """Takes a step's figures."""

    @abstractmethod
    def end(self, *, failed: bool) -> None:
        """Nothing more comes. failed: the training did not come to its end."""


class TensorBoard(Tracker):
    """Event files in the folder; what a killed training had written of steps that come again is passed over."""

    module_name, package = "torch.utils.tensorboard", "tensorboard"

    def begin(self, folder: Path, name: str, first: int) -> None:
        """See `Tracker`."""
        self.writer = self.module.SummaryWriter(str(folder / "tensorboard"), purge_step=first)

    def log(self, step: int, figures: dict[str, float]) -> None:
        """See `Tracker`."""
        for figure, value in figures.items():
            self.writer.add_scalar(figure, value, step)

    def end(self, *, failed: bool) -> None:
        """See `Tracker`."""
        self.writer.close()


class _Run(Tracker):
    """What has wandb's functions."""

    def log(self, step: int, figures: dict[str, float]) -> None:
        """See `Tracker`."""
        self.module.log(figures, step=step)

    def end(self, *, failed: bool) -> None:
        """See `Tracker`."""
        self.module.finish()


class Wandb(_Run):
    """A run of Weights & Biases; a training that goes on goes on there."""

    module_name = package = "wandb"

    def begin(self, folder: Path, name: str, first: int) -> None:
        """See `Tracker`."""
        project = os.environ.get("WANDB_PROJECT", _PROJECT)
        # Figures, and nothing of the machine, the sources or what is printed.
        only = self.module.Settings(
            console="off", save_code=False, disable_git=True, silent=True, x_disable_stats=True, x_disable_meta=True,
        )  # fmt: skip
        known = _identity(folder / "wandb.id")
        self.module.init(
            project=project, name=name, id=known, resume="allow", dir=str(folder), settings=only
        )

    def end(self, *, failed: bool) -> None:
        """See `Tracker`."""
        self.module.finish(exit_code=int(failed))


class Trackio(_Run):
    """A run of Trackio."""

    module_name = package = "trackio"

    def begin(self, folder: Path, name: str, first: int) -> None:
        """See `Tracker`."""
        project = os.environ.get("TRACKIO_PROJECT", _PROJECT)
        self.module.init(
            project=project,
            name=name,
            resume="allow",
            embed=False,
            auto_log_cpu=False,
            auto_log_gpu=False,
        )


class MLflow(Tracker):
    """A run of MLflow."""

    module_name = package = "mlflow"

    def begin(self, folder: Path, name: str, first: int) -> None:
        """See `Tracker`."""
        known = folder / "mlflow.id"
        if "MLFLOW_EXPERIMENT_NAME" not in os.environ:
            self.module.set_experiment(_PROJECT)
        if known.is_file():
            self.module.start_run(run_id=known.read_text())
            return
        run = self.module.start_run(run_name=name)
        known.write_text(run.info.run_id)

    def log(self, step: int, figures: dict[str, float]) -> None:
        """See `Tracker`."""
        self.module.log_metrics(figures, step=step)

    def end(self, *, failed: bool) -> None:
        """See `Tracker`."""
        self.module.end_run("FAILED" if failed else "FINISHED")


TRACKERS: dict[str, type[Tracker]] = {
    "tensorboard": TensorBoard, "wandb": Wandb, "mlflow": MLflow, "trackio": Trackio,
}  # fmt: skip


def check_trackers(names: Sequence[str]) -> None:
    """Raises InputError for one whose package is not installed."""
    for name in names:
        package = TRACKERS[name].package
        if not find_spec(package):
            said = f"run.trackers names {name!r}, and its package is not installed: pip install {package}, or leave it out"
            raise InputError(said, kind="missing_extra", key="run.trackers", value=name)


class Trackers:
    """Those of one training. One that fails is told nothing more, and the training goes on; its folder has why."""

    def __init__(self, tracking: Tracking | None, first: int) -> None:
        """Begins them. first: the step that comes next. Raises InputError for one whose package is not installed."""
        self.folder = Path() if tracking is None else tracking.folder
        self.begun: dict[str, Tracker] = {}
        if tracking is None:
            return
        check_trackers(tracking.names)
        self.folder.mkdir(parents=True, exist_ok=True)
        place, called = _training(tracking, first)
        for name in tracking.names:
            _error_file(self.folder, name).unlink(missing_ok=True)
            with self._held(name):
                self.begun[name] = TRACKERS[name](place, called, first)

    def log(self, row: StepRow) -> None:
        """Takes a row of the curve; what is not known is left out."""
        figures = {k: float(v) for k, v in row.items() if k != "step" and v is not None}
        for name, tracker in list(self.begun.items()):
            with self._held(name):
                tracker.log(int(row["step"] or 0), figures)

    def end(self, *, failed: bool = False) -> None:
        """Nothing more comes."""
        for name, tracker in list(self.begun.items()):
            with self._held(name):
                tracker.end(failed=failed)

    @contextmanager
    def _held(self, name: str) -> Iterator[None]:
        # Some print what they do, and stdout is the command's.
        try:
            with redirect_stdout(sys.stderr):
                yield
        except Exception as error:  # noqa: BLE001 - a tracker may fail in any way
            self.begun.pop(name, None)
            reason = one_line(f"{type(error).__name__}: {error}")
            _error_file(self.folder, name).write_text(f"{reason}\n")


@contextmanager
def tracked(tracking: Tracking | None, first: int) -> Iterator[Trackers]:
    """The trackers of a training that goes on with this step; they end with it, however it ends."""
    trackers = Trackers(tracking, first)
    try:
        yield trackers
    except BaseException:
        trackers.end(failed=True)
        raise
    trackers.end()


def failed_trackers(tracking: Tracking | None) -> list[tuple[str, str]]:
    """Those that were told nothing more, with their reason."""
    if tracking is None:
        return []
    files = {name: _error_file(tracking.folder, name) for name in tracking.names}
    return [(name, file.read_text().strip()) for name, file in files.items() if file.is_file()]


def _training(tracking: Tracking, first: int) -> tuple[Path, str]:
    """The folder and the name of the training that goes on with this step: one that begins anew in a place is another one."""
    counted = tracking.folder / "trainings"
    number = int(counted.read_text()) if counted.is_file() else 0
    if first == 1 or not number:
        number += 1
        counted.write_text(str(number))
    if number == 1:
        return tracking.folder, tracking.name
    (place := tracking.folder / f"training-{number}").mkdir(exist_ok=True)
    return place, f"{tracking.name} ({number})"


def _error_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.error"


def _identity(path: Path) -> str:
    """An id that stays with a folder, made at its first use."""
    if not path.is_file():
        path.write_text(os.urandom(8).hex())
    return path.read_text()
