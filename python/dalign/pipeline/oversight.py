"""Who looks on while a policy is reinforced: a second judge, which pays nothing, and the golden cases again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from math import comb
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from dalign.config import Rl
from dalign.drift import onset
from dalign.errors import InputError
from dalign.figures import Share
from dalign.judge.admission import judge_golden
from dalign.judge.answers import AnswerJudge, remembered
from dalign.judge.court import Court
from dalign.judge.forms.score import Judging
from dalign.models.protocol import Asked
from dalign.rows import SECOND, AnswerToJudge, Prompt
from dalign.spec.golden import GoldenCase
from dalign.store.seal import write_sealed

# How often an unchanged judge may be called another one, over all times that it is asked.
_FALSE = 0.025
# Of fewer of the first cases nothing is decided.
_LEAST = 0.5
_Row = dict[str, Any]


class GoldenTold(NamedTuple):
    """The golden cases that the judge gave a score after a step, 0 before the first, and whether it told each rightly; by id."""

    step: int
    rightly: dict[str, bool]

    @property
    def share(self) -> Share:
        """Of those with a score: a judgement that failed is none."""
        return Share.of_counts(sum(self.rightly.values()), len(self.rightly))


@dataclass(frozen=True)
class GoldenAgain:
    """The judge on the policy's golden cases, drawn anew each time.

    ask: no reply of an earlier time or run may answer it. court: who asks after a step. every: steps between two times;
    times: how often they are held against the first.
    """

    cases: Sequence[GoldenCase]
    judging: Judging
    pass_score: float
    ask: Asked
    court: Callable[[int], Court]
    every: int
    times: int

    def told(self, step: int) -> GoldenTold:
        """What the judge tells now."""
        judging = replace(self.judging, court=self.court(step))
        _, _, judged = judge_golden(self.cases, judging, self.pass_score, self.ask)
        scored = {each.case.id: each.agrees for each in judged if each.score is not None}
        return GoldenTold(step, scored)


class Oversight:
    """Looks on step by step, and raises its alarms once each; whatever it remembers is saved with the checkpoints.

    alarms: sentences, by their kind, to which their ways out belong. golden: the first is before the rest is learnt.
    """

    def __init__(
        self,
        settings: Rl,
        second: AnswerJudge | None,
        golden: GoldenAgain | None,
        say: Callable[[str], None],
    ) -> None:
        self._settings, self._golden, self._say, self.second = settings, golden, say, second
        self.golden = list[GoldenTold]()
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
        if self._settings.on_alarm == "stop":
            # One that was told before it was to stop.
            for kind, said in self.alarms.items():
                raise _stop(kind, said)
        if self._golden is not None:
            self._ask_again(self._golden, step)
        if self.second is not None:
            self._seen += map(_slim, rows)
            if "hacking" not in self.alarms:
                self._look_for_hacking()

    def _ask_again(self, golden: GoldenAgain, step: int) -> None:
        if not self.golden:
            self.golden.append(golden.told(step - 1))
        if step % golden.every:
            return
        least = max(1, _LEAST * len(golden.cases))
        # Where it told hardly any at first, as in an outage, it is held against what it told next.
        whole = (told for told in self.golden if len(told.rightly) >= least)
        now, first = golden.told(step), next(whole, self.golden[0])
        self.golden.append(now)
        both = first.rightly.keys() & now.rightly.keys()
        if len(both) < least:
            self._say(
                f"warning: after step {step} only {len(both)} of {len(golden.cases)} golden cases have a score now and had one at first; nothing is said of the judge"
            )
            return
        lost = sum(first.rightly[case] and not now.rightly[case] for case in both)
        gained = sum(now.rightly[case] and not first.rightly[case] for case in both)
        if _by_chance(lost, gained) < _level(golden.times) and "golden" not in self.alarms:
            said = f"after step {step} the judge tells {now.share} golden cases rightly, and after step {first.step} it told {first.share}; {lost} are lost and {gained} gained, more than chance would have it: it is no longer the judge that was to reward"
            self._alarm("golden", said)

    def _look_for_hacking(self) -> None:
        if found := onset(pl.DataFrame(self._seen, schema=_SEEN)):
            grown = f"; what has grown with it is {found.feature}" if found.feature else ""
            said = f"from step {found.began} on, the second judge finds answers worse, by {found.excess:.2f}, than their scores meant before (told at step {found.step}){grown}: the policy may have learned to please the judge"
            self._alarm("hacking", said)

    def _alarm(self, kind: str, said: str) -> None:
        self.alarms[kind] = said
        if self._settings.on_alarm == "stop":
            raise _stop(kind, said)
        self._say(f"warning: {said}")

    @property
    def told(self) -> dict[str, Any]:
        """What it found, for a manifest's counts."""
        golden = [{"step": told.step, **asdict(told.share)} for told in self.golden]
        found: dict[str, Any] = {"golden": golden, "alarms": list(self.alarms.values())}
        if self.second is not None:
            found["second_states"] = dict(sorted(self.second.states.items()))
        return {name: each for name, each in found.items() if each}

    def save(self, path: Path) -> None:
        """Writes what it remembers beside a checkpoint."""
        write_sealed(path, {"golden": [list(told) for told in self.golden], "alarms": self.alarms})

    def load(self, path: Path) -> None:
        """Remembers what was saved; nothing where there is no such file. Raises InputError where it is damaged."""
        way_out = "delete it, and golden cases are asked again from there"
        saved = remembered(path, way_out) or {"golden": [], "alarms": {}}
        self.golden = [GoldenTold(step, dict(rightly)) for step, rightly in saved["golden"]]
        self.alarms = dict(saved["alarms"])

    def seen(self, rows: Sequence[_Row]) -> None:
        """Goes on from the rows that a checkpoint has."""
        self._seen = list(map(_slim, rows)) if self.second is not None else []


_SEEN = pl.Schema(
    {"step": pl.UInt32, "judge": pl.Float64, "other": pl.Float64, "answer": pl.String}
)
_WAYS_OUT = {
    "golden": "see to the judge's server, or take the judge that it was",
    "hacking": "in another run folder stop earlier (rl.steps), or take a better judge",
}


def _stop(kind: str, said: str) -> InputError:
    told = f"rl: {said}; {_WAYS_OUT[kind]}, or go on here with rl.on_alarm = 'warn'"
    return InputError(told, kind="alarm", value=kind)


def _by_chance(lost: int, gained: int) -> float:
    """How likely it is that of so many changes as many are losses, where both are alike (McNemar's exact test, one side)."""
    changed = lost + gained
    return sum(comb(changed, n) for n in range(lost, changed + 1)) / 2**changed


def _level(times: int) -> float:
    """What each of so many times may call an unchanged judge another one by."""
    return _FALSE / max(1, times)


def least_golden(times: int) -> int:
    """The fewest golden cases whose loss, of all of them, would be told from chance at each of so many times."""
    return next(cases for cases in count(1) if _by_chance(cases, 0) < _level(times))


def _slim(row: _Row) -> _Row:
    seen = {name: row.get(name) for name in ("step", "judge", "answer")}
    return {**seen, "other": row.get(SECOND)}


def _answer(row: _Row, prompt: Prompt) -> AnswerToJudge:
    return AnswerToJudge(prompt.id, prompt.category, prompt.messages, row["answer"])
