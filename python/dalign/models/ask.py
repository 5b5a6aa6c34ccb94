"""THE way to ask a model for many replies: journalled as they come, not asked again after a kill or an edit."""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dalign.errors import InputError
from dalign.models.protocol import Engine, Priced, Reply, Request, Sampling, Telling
from dalign.progress import Progress, pace
from dalign.rows import NEVER_CAME
from dalign.store.memory import Kept, Memory
from dalign.text import short

KEY_CHARACTERS = 32
# Kinds of failures that are told at the end, and that are told apart.
MOST_KINDS, _MOST_KEPT = 3, 30
# Between two words on what an engine has in work.
TELL_EVERY_S = 1.0
# A message this long is a policy: many requests share it, and it is hashed once.
_SHARED = 4096


class Failure(NamedTuple):
    """Requests of one kind that had no reply, so many. first: one of them."""

    kind: str
    times: int
    first: Reply


class Ask:
    """Puts requests to one engine. With a memory, a kill loses the batch in flight at most.

    A request whose key is in the memory of an earlier run, with other inputs, is not made again. The engine gets the
    other requests alone; which these are does not change with a kill, so that its batches do not either.
    """

    def __init__(
        self,
        engine: Engine,
        memory: Memory | None = None,
        *,
        progress: Progress | None = None,
        name: str = "",
        total: int | None = None,
    ) -> None:
        """name: of the progress; without one nothing is shown. total: requests of all calls; None: those of the first."""
        self.engine = engine
        self._memory, self._name, self._total = memory, name, total
        self._progress = progress if progress and name else Progress()
        # Of those that are done, so many were not asked.
        self._done, self._spared, self._begun = 0, 0, False
        # Of this call of the program: replies that were made, their tokens, the seconds that it took, and when that was told.
        self._made = self._tokens = 0
        self._took_s, self._told_at, self._since = 0.0, 0.0, time.monotonic()
        # Of this call of the program: requests without a reply by the kind of their reason, and the first of each kind.
        self._failed = Counter[str]()
        self._failures: dict[str, Reply] = {}
        if progress is not None and isinstance(engine, Telling):
            engine.say = progress.say

    def __call__(self, requests: Sequence[Request], sampling: Sampling) -> list[Reply]:
        """The reply to each request, in order."""
        return self.chunk(0)(requests, sampling)

    def chunk(self, number: int) -> Chunk:
        """Asks for one chunk of rows, whose replies are kept together."""
        return Chunk(self, number)

    def replies(self, requests: Sequence[Request], sampling: Sampling, chunk: Chunk) -> list[Reply]:
        """The reply to each request, in order. chunk: of which the requests are, and which notes what is kept."""
        self._begin(len(requests))
        if self._memory is None:
            found = {
                r.id: r for replies in self._stream(requests, sampling, set()) for r in replies
            }
            return [found[request.id] for request in requests]
        keys = Keys(self.engine.fingerprint, sampling)
        key_of = {request.id: keys.of(request) for request in requests}
        earlier = self._memory.recall(list(key_of.values()))
        wanted = [request for request in requests if key_of[request.id] not in earlier]
        # What never came is asked again.
        kept = {
            row.id: row
            for row in chunk.journalled(self._memory)
            if key_of.get(row.id) == row.key and row.finish not in NEVER_CAME
        }
        taken_over = len(requests) - len(wanted)
        self.skip(taken_over + len(kept))
        came = dict[str, Reply]()
        for replies in self._stream(wanted, sampling, set(kept)):
            rows = [Kept(r.id, key_of[r.id], r.text, r.finish, r.tokens) for r in replies]
            self._memory.append(rows, chunk.number)
            for row, reply in zip(rows, replies, strict=True):
                kept[row.id], came[row.id] = row, reply
        ordered = [
            kept.get(request.id) or earlier[key_of[request.id]]._replace(id=request.id)
            for request in requests
        ]
        chunk.note(ordered, taken_over)
        self._memory.keep(chunk.number, chunk.kept)
        return [
            came.get(row.id) or Reply(row.id, row.text, row.finish, row.tokens) for row in ordered
        ]

    def _stream(
        self, requests: Sequence[Request], sampling: Sampling, done: set[str]
    ) -> Iterator[list[Reply]]:
        """The engine's replies, counted. Raises InputError at the end unless each request had one, and nothing else."""
        left = {request.id for request in requests} - done
        if isinstance(self.engine, Telling):
            self.engine.going = self._going
        self._since = time.monotonic()
        for replies in self.engine.stream(requests, sampling, done):
            given = {reply.id for reply in replies}
            good = replies
            if len(given) < len(replies) or not given <= left:
                times = Counter(reply.id for reply in replies)
                left ^= given
                left |= {row for row, count in times.items() if count > 1}
                good = [reply for reply in replies if reply.id not in left]
            else:
                left -= given
            for reply in replies:
                if reply.finish in NEVER_CAME:
                    self._note(reply)
            yield good
            self._made += len(replies)
            self._tokens += sum(reply.tokens for reply in replies)
            self._done += len(replies)
            self._tell(0.0, 0, "")
        self._took_s += time.monotonic() - self._since
        if left:
            said = f"an engine's stream gives each request one reply; {len(left)} have none, or more, or were never asked for, such as {min(left)!r}"
            raise InputError(said, kind="wrong_replies", value=min(left))

    def skip(self, requests: int) -> None:
        """Notes requests that have been answered, such as by an earlier call of the program."""
        self._begin(requests)
        self._done += requests
        if requests:
            self._progress.skip(self._name, requests)
            self._progress.advance(self._name, self._done)

    def spare(self, requests: int) -> None:
        """Notes requests that need not be made after all."""
        self._spared += requests
        self.skip(requests)

    def note(self, replies: int, tokens: int, taken_over: int, failed: Sequence[Failure]) -> None:
        """Notes replies that were made elsewhere, those among them that were taken over, and what never came."""
        self.skip(taken_over)
        self._made += replies - taken_over
        self._tokens += tokens
        self._done += replies - taken_over
        for kind, times, first in failed:
            self._failed[kind] += times
            self._failures.setdefault(kind, first)
        self._tell(0.0, 0, "")

    def failed(self) -> list[Failure]:
        """What never came since the last time, by its kind."""
        found = [Failure(kind, n, self._failures[kind]) for kind, n in self._failed.items()]
        self._failed.clear()
        return found

    def _going(self, rows: float, tokens: int, awaited: str) -> None:
        """Tells how far the engine is with what it has not yielded; as often as one would look."""
        now = time.monotonic()
        if now - self._told_at >= TELL_EVERY_S:
            self._told_at = now
            self._tell(rows, tokens, awaited)

    def _tell(self, rows: float, tokens: int, awaited: str) -> None:
        took, total = self._took_s + time.monotonic() - self._since, self._total or 0
        done = min(self._done + rows, total)
        told = pace(self._made + rows, self._tokens + tokens, took)
        spent = self.engine.spent() if isinstance(self.engine, Priced) else ""
        note = "; ".join(filter(None, (told, spent, awaited)))
        self._progress.advance(self._name, int(done), note)

    def reach(self, requests: int) -> None:
        """Notes that so many of all requests are answered, or need not be asked."""
        self.skip(requests - self._done)

    def finish(self, note: str) -> None:
        """Ends the progress with a word on the result."""
        self._begin(0)
        for kind, count in self._failed.most_common(MOST_KINDS):
            first = self._failures[kind]
            why = f"{first.finish}; {short(first.text, 300)}".removesuffix("; ")
            said = f"{self._name}: {count} of {self._done - self._spared} requests had no reply, such as {first.id}: {why}"
            self._progress.say(said)
        if others := sum(count for _, count in self._failed.most_common()[MOST_KINDS:]):
            self._progress.say(f"{self._name}: {others} more had none for other reasons")
        self._progress.finish(self._name, note)

    def _note(self, reply: Reply) -> None:
        # Numbers and the like differ from row to row; of a server that always says otherwise not all is kept.
        kind = " ".join(re.findall(r"[^\W\d]{3,}", f"{reply.finish} {reply.text}")[:8])
        kind = kind if kind in self._failures or len(self._failures) < _MOST_KEPT else reply.finish
        self._failed[kind] += 1
        self._failures.setdefault(kind, reply)

    def _begin(self, requests: int) -> None:
        if not self._begun:
            self._begun = True
            self._total = requests if self._total is None else self._total
            self._progress.start(self._name, self._total)


class Chunk:
    """Asks for one chunk of rows, at once or call by call. taken_over: replies that an earlier run, with other inputs, has had; kept: all."""

    def __init__(self, ask: Ask, number: int) -> None:
        self._ask, self.number = ask, number
        self.taken_over, self.kept = 0, list[Kept]()
        self._journalled: list[Kept] | None = None

    def __call__(self, requests: Sequence[Request], sampling: Sampling) -> list[Reply]:
        """The reply to each request, in order."""
        return self._ask.replies(requests, sampling, self)

    def journalled(self, memory: Memory) -> list[Kept]:
        """What a call of the program that was killed had journalled of the chunk: read once, before this one adds to it."""
        if self._journalled is None:
            self._journalled = list(memory.in_work(self.number))
        return self._journalled

    def note(self, replies: Sequence[Kept], taken_over: int) -> None:
        """Notes what a call has had, and how much of it was taken over."""
        self.kept += replies
        self.taken_over += taken_over


def words_of(taken_over: int) -> str:
    """What a progress line adds where replies were taken over; nothing where none were."""
    return f", {taken_over} of them taken over" if taken_over else ""


class Keys:
    """Digests of all that determines a reply: the engine's fingerprint, the settings, the row's seed, every message.

    The messages are those that the model reads: policy, templates, prompt, and the answer to be judged are in them.
    """

    def __init__(self, fingerprint: str, sampling: Sampling) -> None:
        drawn = f"{sampling.temperature!r}\0{sampling.max_new_tokens}\0{sampling.top_p!r}"
        self._start = hashlib.sha256(f"{fingerprint}\0{drawn}".encode())
        self._shared: dict[str, bytes] = {}

    def of(self, request: Request) -> str:
        """A request's key; its id is no part of it."""
        read = [b"\0%d" % request.seed]
        for message in request.messages:
            role, content = message["role"].encode(), message["content"]
            if len(content) < _SHARED:
                encoded = content.encode()
                read.append(b"\0%b\0%d\0%b" % (role, len(encoded), encoded))
                continue
            if content not in self._shared:
                self._shared[content] = hashlib.sha256(content.encode()).digest()
            read.append(b"\0%b\1%b" % (role, self._shared[content]))
        hasher = self._start.copy()
        hasher.update(b"".join(read))
        return hasher.hexdigest()[:KEY_CHARACTERS]
