"""What asking models takes, counted as it is taken, and the cap on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from dalign.config import Cap, Price
from dalign.errors import CapError
from dalign.models.protocol import Reply, Request, Sampling

# Between two times that what was taken is written down: a kill forgets less than this.
KEPT_EVERY_S = 2.0
# More than a template writes around a turn, in bytes; no text has more tokens than bytes.
_A_TURN = 64
# How much more than ever seen a prompt may hold of tokens a byte.
_MARGIN = 1.25


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
    if not all(isinstance(v, int | float) and v >= 0 for v in asdict(found).values()):
        raise ValueError("no amount")
    return replace(found, **{n: int(getattr(found, n)) for n in ("requests", "read", "written")})


Keep = Callable[[Mapping[str, Spent]], None]


def _forget(_: Mapping[str, Spent]) -> None:
    """Of what nobody keeps."""


@dataclass
class Meter:
    """Counts what is taken, by stage and model (`evaluate/base judge_model`), and stops before a cap is passed.

    earlier_s: of the calls before. stage: whose requests come next.
    """

    cap: Cap = field(default_factory=Cap)
    taken: dict[str, Spent] = field(default_factory=dict)
    earlier_s: float = 0.0
    keep: Keep = _forget
    stage: str = ""

    def __post_init__(self) -> None:
        self._began = self._kept_at = time.monotonic()
        # Tokens a byte of the prompts so far, at most.
        self._density = 1.0
        self._is_measured = False

    @property
    def total(self) -> Spent:
        """All that was taken."""
        return sum(self.taken.values(), Spent())

    def add(self, model: str, more: Spent) -> None:
        """Counts what was taken just now."""
        self.merge({f"{self.stage} {model}".strip(): more})

    def merge(self, more: Mapping[str, Spent]) -> None:
        """Counts what was taken, by stage and model."""
        for key, each in more.items():
            self.taken[key] = self.taken.get(key, Spent()) + each
        now = time.monotonic()
        if now - self._kept_at >= KEPT_EVERY_S:
            self._kept_at = now
            self.keep(self.taken)

    def measure(self, requests: Mapping[str, Request], replies: Sequence[Reply]) -> None:
        """Learns how many tokens prompts have, where a cap asks for it."""
        if self.cap.tokens is self.cap.money is None:
            return
        seen = [r.read / _bytes(requests[r.id]) for r in replies if r.read]
        if seen:
            most = min(1.0, _MARGIN * max(seen))
            self._density = max(self._density, most) if self._is_measured else most
            self._is_measured = True

    def allowed(self, requests: Sequence[Request], sampling: Sampling, price: Price) -> int:
        """How many of the first of these may be asked whatever they come to. Raises CapError where none may."""
        cap, total = self.cap, self.total
        self.check_time()
        if cap.requests is cap.tokens is cap.money is None:
            return len(requests)
        left = {
            "requests": _left(cap.requests, total.requests),
            "tokens": _left(cap.tokens, total.tokens),
            "money": _left(cap.money, total.money),
        }
        for number, request in enumerate(requests):
            read, written = self._density * _bytes(request), sampling.max_new_tokens
            left["requests"] -= 1
            left["tokens"] -= read + written
            left["money"] -= price.of(read, written, 0.0)
            short = next((name for name, amount in left.items() if amount < 0), None)
            if short and number:
                return number
            if short:
                raise self._reached(short)
        return len(requests)

    def check_time(self) -> None:
        """Raises CapError once the run has worked for as long as it may."""
        if self.cap.hours is not None and self.hours >= self.cap.hours:
            raise self._reached("hours")

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
        said = f"run.cap.{name} = {most:{kinds[name]}} is reached ({told}); nothing is lost: the same command with --set run.cap.{name}=MORE goes on from here"
        return CapError(said, value=taken, limit=most)


def _left(most: float | None, taken: float) -> float:
    return float("inf") if most is None else most - taken


def _bytes(request: Request) -> int:
    """The size of a prompt, in bytes."""
    return sum(len(m["content"].encode()) + _A_TURN for m in request.messages)


def told(spent: Spent) -> str:
    """Money for the progress line; empty where nothing costs any."""
    return f"{spent.money:,.2f} spent" if spent.money else ""
