"""Who looks on while a policy is reinforced: a second judge, which pays nothing, and the golden cases again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from dalign.config import Rl
from dalign.drift import onset
from dalign.errors import InputError
from dalign.figures import Share
from dalign.judge.admission import judge_golden
from dalign.judge.answers import AnswerJudge
from dalign.judge.court import Court
from dalign.judge.forms.score import Judging
from dalign.models.protocol import Asked
from dalign.rows import SECOND, AnswerToJudge, Prompt
from dalign.spec.golden import GoldenCase
from dalign.store.seal import read_sealed, write_sealed

_Row = dict[str, Any]


@dataclass(frozen=True)
class GoldenAgain:
    """The judge on the policy's golden cases, drawn anew at each step: what a memory holds says nothing of it now.

    court: who asks at a step. every: steps between two times.
    """

    cases: Sequence[GoldenCase]
    judging: Judging
    pass_score: float
    ask: Asked
    court: Callable[[int], Court]
    every: int

    def told(self, step: int) -> Share:
        """How many cases the judge tells rightly now; one that it gives no score is told wrongly."""
        judging = replace(self.judging, court=self.court(step))
        _, _, judged = judge_golden(self.cases, judging, self.pass_score, self.ask)
        rightly = [each.score is not None and each.agrees for each in judged]
        return Share.of_counts(sum(rightly), len(rightly))


class Oversight:
    """Looks on step by step, and raises its alarms once each; whatever it remembers is saved with the checkpoints.

    alarms: sentences. golden: (step, of the golden cases told rightly), the first before anything is learnt.
    """

    def __init__(
        self,
        settings: Rl,
        second: AnswerJudge | None,
        golden: GoldenAgain | None,
        say: Callable[[str], None],
    ) -> None:
        self._settings, self._golden, self._say, self.second = settings, golden, say, second
        self.golden = list[tuple[int, Share]]()
        self.alarms = dict[str, str]()
        # What the detector of hacking is shown.
        self._seen = list[_Row]()

    def beside(self, step: int, rows: Sequence[_Row], prompts: Mapping[str, Prompt]) -> None:
        """Sets the second judge's score of each of a step's rows, where it is asked."""
        if self.second is None:
            return
        scores = dict[int, float | None]()
        if (step - 1) % self._settings.second_every == 0:
            # What the judge was not shown, the second is not either.
            at = [i for i, row in enumerate(rows) if row["status"] == "ok"]
            asked = [_answer(rows[i], prompts[rows[i]["prompt_id"]]) for i in at]
            scores = dict(zip(at, self.second(asked) if asked else (), strict=True))
        for i, row in enumerate(rows):
            row[SECOND] = scores.get(i)

    def look(self, step: int, rows: Sequence[_Row]) -> None:
        """Looks at a step's rows, which are kept. Raises InputError for an alarm that is to stop the training."""
        self._seen += map(_slim, rows)
        if self._golden is not None:
            self._ask_again(self._golden, step)
        if self.second is not None and "hacking" not in self.alarms:
            self._look_for_hacking()

    def _ask_again(self, golden: GoldenAgain, step: int) -> None:
        if not self.golden:
            self.golden.append((step - 1, golden.told(step - 1)))
        if step % golden.every:
            return
        now, (_, first) = golden.told(step), self.golden[0]
        self.golden.append((step, now))
        fallen = first.low is not None and now.value is not None and now.value < first.low
        if fallen and "golden" not in self.alarms:
            said = f"at step {step} the judge tells {now} golden cases rightly, and told {first} at first: it is no longer the judge that was to reward"
            self._alarm("golden", said, "see to the judge's server, or take the judge that it was")

    def _look_for_hacking(self) -> None:
        if found := onset(pl.DataFrame(self._seen, schema=_SEEN)):
            grown = f"; what has grown with it is {found.feature}" if found.feature else ""
            said = f"from step {found.began} on, the second judge finds answers worse, by {found.excess:.2f}, than their scores meant before (told at step {found.step}){grown}: the policy may have learned to please the judge"
            way_out = "stop earlier (rl.steps), mend the judge, or reward by both"
            self._alarm("hacking", said, way_out)

    def _alarm(self, kind: str, said: str, way_out: str) -> None:
        self.alarms[kind] = said
        if self._settings.on_alarm == "stop":
            told = f"rl: {said}; {way_out}, or go on with rl.on_alarm = 'warn'"
            raise InputError(told, kind="alarm", value=kind)
        self._say(f"warning: {said}")

    @property
    def told(self) -> dict[str, Any]:
        """What it found, for a manifest; nothing where it looks at nothing."""
        golden = [{"step": step, **asdict(share)} for step, share in self.golden]
        found = {"golden": golden, "alarms": list(self.alarms.values())}
        return {name: each for name, each in found.items() if each}

    def save(self, path: Path) -> None:
        """Writes what it remembers beside the rows."""
        golden = [[step, share.hits, share.n] for step, share in self.golden]
        write_sealed(path, {"golden": golden, "alarms": self.alarms})

    def load(self, path: Path) -> None:
        """Remembers what was saved; nothing where there is no such file."""
        self.golden, self.alarms = [], {}
        if path.is_file():
            saved = read_sealed(path)
            self.golden = [(step, Share.of_counts(hits, n)) for step, hits, n in saved["golden"]]
            self.alarms = dict(saved["alarms"])

    def seen(self, rows: Sequence[_Row]) -> None:
        """Goes on from the rows that a checkpoint has."""
        self._seen = list(map(_slim, rows))


_SEEN = pl.Schema(
    {"step": pl.UInt32, "judge": pl.Float64, "other": pl.Float64, "answer": pl.String}
)


def _slim(row: _Row) -> _Row:
    seen = {name: row.get(name) for name in ("step", "judge", "answer")}
    return {**seen, "other": row.get(SECOND)}


def _answer(row: _Row, prompt: Prompt) -> AnswerToJudge:
    return AnswerToJudge(prompt.id, prompt.category, prompt.messages, row["answer"])
