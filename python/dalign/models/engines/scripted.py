"""An engine that answers from a script: for tests, and for trying a config without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from dalign.errors import InputError
from dalign.models.protocol import EngineKind, Reply, Request, Sampling
from dalign.models.reasoning import THINK
from dalign.parsing import file_text, json_value
from dalign.store.whole_files import file_digest
from dalign.vocabulary import THINK_TAGS

Script = Callable[[Request], str | Reply] | Mapping[str, str]


class ScriptedEngine:
    """Answers each request by a function of it, or by a table.

    A table's first key that stands in the conversation's last message decides; the key "" stands in
    every message, so it comes last. A function may return a whole `Reply`, to fail or to be cut off.
    `requests` records what was asked, in order.
    """

    # Its replies have both tags.
    opens_reasoning, reasoning = False, THINK

    def __init__(
        self,
        reply: Script,
        *,
        batch_size: int = 8,
        fingerprint: str = "scripted",
        control_tokens: tuple[str, ...] = THINK_TAGS,
    ) -> None:
        """batch_size: replies a list, cut as an engine with batches cuts them."""
        self._reply, self.batch_size = reply, batch_size
        self.fingerprint, self.control_tokens = fingerprint, control_tokens
        self.requests: list[Request] = []

    @classmethod
    def load(cls, path: Path) -> ScriptedEngine:
        """The engine of a table in a JSON file: {"part of the last message": "reply", …}."""
        try:
            text = file_text(path)
            table = json_value(text)
        except (OSError, ValueError) as error:
            said = f"""engine 'scripted' reads its replies from a JSON file ({error}); write one such as {{"": "the reply to everything"}}"""
            raise InputError.in_file(path, said, kind="unreadable_file") from error
        if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
            said = 'not a table of replies; write {"": "the reply"}'
            raise InputError.in_file(path, said, kind="wrong_type")
        return cls(table, fingerprint=hashlib.sha256(text.encode()).hexdigest())

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """Replies in batches, in the order of `requests`. `sampling` changes nothing."""
        for start in range(0, len(requests), self.batch_size):
            batch = [r for r in requests[start : start + self.batch_size] if r.id not in done]
            if batch:
                self.requests.extend(batch)
                yield [self._answer(request) for request in batch]

    def _answer(self, request: Request) -> Reply:
        reply = self._reply(request) if callable(self._reply) else _look_up(self._reply, request)
        if isinstance(reply, Reply):
            return reply
        return Reply(request.id, reply, "stop", len(reply.split()))


def _look_up(table: Mapping[str, str], request: Request) -> str:
    last = request.messages[-1]["content"]
    for part, reply in table.items():
        if part in last:
            return reply
    said = f'request {request.id}: no entry of the script stands in its last message ({last[:60]!r}); add one, or the entry "" for all others'
    raise InputError(said, kind="wrong_replies")


KIND = EngineKind(
    name="scripted",
    writes_open_tag=True,
    fingerprint_of=lambda model: file_digest(Path(model.path)),
    open=lambda model, _: ScriptedEngine.load(Path(model.path)),
    check=lambda model: ScriptedEngine.load(Path(model.path)),
)
