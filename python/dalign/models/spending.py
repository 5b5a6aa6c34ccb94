"""What asking models takes, counted as it is taken, and the cap on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from dalign.config import Cap, Price
from dalign.errors import CapError
from dalign.models.protocol import Reply, Request, Sampling

# Between two times that what was taken is written down: a kill forgets no more than this.
KEPT_EVERY_S = 2.0
# What is said of a run that has reached its cap; key: the setting that it is.
GOES_ON = "what is made stays, and the same command with --set {key}=MORE goes on from here"
# No text has more tokens than bytes; beside it, more than a template writes around a turn, and of its own.
_A_TURN, _ITS_OWN = 64, 512


@dataclass(frozen=True)
class Spent:
    """What asking took. read, written: tokens of prompts and of completions; seconds: while replies were awaited."""

    requests: int = 0
    read: int = 0
    written: int = 0
    seconds: float = 0.0
    money: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            *(getattr(self, each.name) + getattr(other, each.name) for each in fields(self))
        )

    @property
    def tokens(self) -> int:
        """All tokens."""
        return self.read + self.written


def as_json(spent: Spent) -> dict[str, float]:
    """What is kept of it: figures as they are told."""
    return {**asdict(spent), "seconds": round(spent.seconds, 3), "money": round(spent.money, 6)}


def spent_of(value: Mapping[str, Any]) -> Spent:
    """What `as_json` gave. Raises TypeError and ValueError for what it cannot have given."""
    found = Spent(**value)
    amounts = asdict(found).values()
    if not all(type(v) in (int, float) and 0 <= v <= _MOST for v in amounts):
        raise ValueError("no amount")
    return replace(found, **{n: int(getattr(found, n)) for n in ("requests", "read", "written")})


# More than any run takes of anything, and as much as a float tells apart.
_MOST = 2**53
Keep = Callable[[Mapping[str, Spent]], None]


def _forget(_: Mapping[str, Spent]) -> None:
    """Of what nobody keeps."""


@dataclass
class Meter:
    """Counts what is taken, by stage and model (`evaluate/base judge_model`), and stops before a cap is passed.

    earlier_s: of the calls before. stage: whose requests come next. keep: is handed what was taken now and then.
    way_out: how to go on where the cap is reached.
    """

    cap: Cap = field(default_factory=Cap)
    taken: dict[str, Spent] = field(default_factory=dict)
    earlier_s: float = 0.0
    keep: Keep = _forget
    stage: str = ""
    way_out: str = GOES_ON

    def __post_init__(self) -> None:
        self._began = self._kept_at = time.monotonic()

    @property
    def total(self) -> Spent:
        """All that was taken."""
        return sum(self.taken.values(), Spent())

    def count(
        self,
        model: str,
        asked: Mapping[str, Request],
        replies: Sequence[Reply],
        sampling: Sampling,
        price: Price,
        seconds: float,
    ) -> bool:
        """Counts what came; whether it was counted by who made it. asked: by the ids of the replies.

        Where nobody has counted, and somebody is to pay or there is a cap, it is what it can be at most.
        """
        each = [one for reply in replies for one in (reply, *reply.others)]
        read, written, is_known = sum(r.read for r in each), sum(r.tokens for r in each), True
        if self.cap.is_set or not price.is_free:
            for reply in replies:
                if reply.finish != "error" and not reply.read:
                    read, is_known = read + _most_read(asked[reply.id]), False
            unknown = [r for r in each if not r.tokens and (r.text or r.finish == "timeout")]
            unknown = [r for r in unknown if r.finish != "error"]
            written += len(unknown) * sampling.max_new_tokens
            is_known &= not unknown
        money = price.of(read, written, seconds)
        self.add(model, Spent(len(each), read, written, seconds, money))
        return is_known

    def add(self, model: str, more: Spent) -> None:
        """Counts what was taken just now."""
        self.merge({f"{self.stage} {model}".strip(): more})

    def merge(self, more: Mapping[str, Spent]) -> None:
        """Counts what was taken, by stage and model."""
        for key, each in more.items():
            self.taken[key] = self.taken.get(key, Spent()) + each
        self._keep_now_and_then()

    def _keep_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._kept_at >= KEPT_EVERY_S:
            self._kept_at = now
            self.keep(self.taken)

    def allowed(self, requests: Sequence[Request], sampling: Sampling, price: Price) -> int:
        """How many of the first of these may be asked whatever they come to. Raises CapError where none may."""
        cap, total = self.cap, self.total
        self.look()
        if cap.requests is cap.tokens is cap.money is None:
            return len(requests)
        left = {
            "requests": _left(cap.requests, total.requests),
            "tokens": _left(cap.tokens, total.tokens),
            "money": _left(cap.money, total.money),
        }
        for number, request in enumerate(requests):
            count = 1 + len(request.others)
            read, written = _most_read(request), count * sampling.max_new_tokens
            left["requests"] -= count
            left["tokens"] -= read + written
            left["money"] -= price.of(read, written, 0.0)
            short = next((name for name, amount in left.items() if amount < 0), None)
            if short and number:
                return number
            if short:
                raise self._reached(short)
        return len(requests)

    def look(self) -> None:
        """Raises CapError once the run has worked for as long as it may, or its machines have cost as much."""
        self._keep_now_and_then()
        if self.cap.hours is not None and self.hours >= self.cap.hours:
            raise self._reached("hours")
        if self.cap.money is not None and self.total.money >= self.cap.money:
            raise self._reached("money")

    @property
    def hours(self) -> float:
        """Of work, that of earlier calls included."""
        return (self.earlier_s + time.monotonic() - self._began) / 3600

    def _reached(self, name: str) -> CapError:
        total, most = self.total, getattr(self.cap, name)
        taken = self.hours if name == "hours" else getattr(total, name)
        kinds = {"requests": ",.0f", "tokens": ",.0f", "money": ",.4g", "hours": ",.3g"}
        told = f"{taken:{kinds[name]}} taken" + (
            ", and the next request may take more than is left" if taken < most else ""
        )
        key = f"run.cap.{name}"
        way_out = self.way_out.replace("{key}", key)
        said = f"{key} = {most:{kinds[name]}} is reached ({told}); {way_out}"
        return CapError(said, key=key, value=taken, limit=most)


def _left(most: float | None, taken: float) -> float:
    return float("inf") if most is None else most - taken


def _most_read(request: Request) -> int:
    """The most tokens that a prompt can have."""
    return _ITS_OWN + sum(len(m["content"].encode()) + _A_TURN for m in request.messages)


def told(spent: Spent) -> str:
    """Money for the progress line; empty where nothing costs any."""
    return f"{spent.money:,.2f} spent" if spent.money else ""
