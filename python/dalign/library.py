"""A run for a program: run a config into a folder, and ask the folder what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dalign.config import Config
from dalign.data.transformed import ORIGIN
from dalign.figures import Results
from dalign.pipeline.run import resolve_config, run_stages
from dalign.progress import Progress
from dalign.records.blast_radius import BlastRadius, blast_radius
from dalign.records.coverage import Coverage, coverage
from dalign.records.journey import Journey, journeys_of
from dalign.records.record import open_record
from dalign.records.results import results_of, write_results
from dalign.records.slices import SliceRow, results_by
from dalign.records.verify import Verified, verify
from dalign.records.worst import WorstRow, worst_of
from dalign.spec.types import Spec


class Run:
    """A run in a folder, finished or not. It is read anew at each question."""

    def __init__(self, folder: Path | str) -> None:
        """Raises InputError if no run has been started in the folder."""
        self.folder = Path(folder)
        open_record(self.folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def results(self) -> Results:
        """Metrics, differences of arms, costs. `alarms` has a sentence for each metric of which too many grades are missing.

        Raises UnfinishedError naming the first stage that has not finished.
        """
        return results_of(open_record(self.folder))

    def results_by(self, key: str) -> list[SliceRow]:
        """The metrics for each value of a key of the suites' prompts, `category` or one of their own. Raises InputError for one that none has."""
        return results_by(open_record(self.folder), key)

    def worst(self, share: float = 0.1, key: str = ORIGIN) -> list[WorstRow]:
        """The metrics over each prompt's worst variants: goodness@0.1, unless `share` says otherwise. See `records.worst`."""
        return worst_of(open_record(self.folder), share, key)

    def verify(self) -> Verified:
        """Every file against its hash: `damage` has those that are not as the run wrote them, and what mends each."""
        return verify(self.folder)

    def journeys(self, row_id: str) -> list[Journey]:
        """What became of the row with that id, or whose id starts so. Raises InputError if there is none."""
        return journeys_of(open_record(self.folder), row_id)

    def coverage(self, least: int | None = None) -> Coverage:
        """What the run holds of each clause. least: rows that each needs; None: select.clause_quota, at least 1."""
        return coverage(self.folder, least)

    def blast_radius(self, old: Spec, new: Spec) -> BlastRadius:
        """Which of the run's rows depend on the difference between two policies."""
        return blast_radius(self.folder, old, new)


def run(
    config: Config | Path | str | None,
    folder: Path | str,
    overrides: Sequence[str] = (),
    *,
    redo: bool = False,
    retry_missing: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Runs what is not done yet of a config into a folder, and writes its report, as the command `dalign run` does.

    config: its path, or itself; None: the one that the folder was started with. overrides: `a.b=c`, over a path's
    settings. redo: accept another config than the folder was started with. retry_missing: ask again for replies that
    never came, of finished stages too. Raises InputError for input that cannot be used, and BusyError while another process works in the folder. Missing grades raise nothing: see
    `Run.results().alarms`.
    """
    place = Path(folder)
    given = Path(config) if isinstance(config, str) else config
    settings = resolve_config(given, place, overrides, redo=redo)
    run_stages(settings, place, progress or Progress(), retry_missing=retry_missing)
    write_results(open_record(place))
    return Run(place)
