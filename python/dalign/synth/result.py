"""`dalign data synth`: prompts are written, checked, and what is left stands in two files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dalign.errors import InputError, check_place
from dalign.files.sift import dropped_path
from dalign.models.protocol import Sampling
from dalign.store.ledger import SPENT
from dalign.store.lock import LOCK
from dalign.store.memory import JOURNAL, REPLIES
from dalign.store.whole_files import write_text
from dalign.synth.orders import Order
from dalign.synth.written import Candidate, Rejected
from dalign.text import storable

# A writer is to vary; its lists are longer than an answer.
WRITING = Sampling(temperature=1.0, max_new_tokens=2048)
# The word in the names of the files with the writer's and the judge's replies.
WRITE, RULE = "write", "rule"
_SUFFIX = ".jsonl"


@dataclass(frozen=True)
class Synthesised:
    """The prompts that pass every check, and the others. clauses: what the judge names for each one kept, by its id."""

    orders: Sequence[Order]
    kept: Sequence[Candidate]
    dropped: Sequence[Rejected]
    clauses: Mapping[str, str | None]

    @property
    def asked(self) -> Counter[str]:
        """How many prompts of each clause were ordered, in the orders' order."""
        asked = Counter[str]()
        for order in self.orders:
            asked[order.clause.id] += order.count
        return asked

    @property
    def kept_of(self) -> Counter[str]:
        """How many of each clause are kept."""
        return Counter(candidate.order.clause.id for candidate in self.kept)

    @property
    def reasons(self) -> dict[str, int]:
        """How many were dropped for each reason."""
        return dict(sorted(Counter(each.reason for each in self.dropped).items()))

    def write(self, out: Path) -> None:
        """Both files, each whole; the prompts last, since they say that all is done."""
        dropped = [
            {
                "reason": each.reason,
                "detail": each.detail,
                "clause": each.order.clause.id,
            }
            | {name: getattr(each.order, name) for name in ("kind", "language", "manner", "form")}
            | {"text": each.text}
            for each in self.dropped
        ]
        kept = [
            {
                "id": each.id,
                "category": each.category,
                "messages": list(each.messages),
                "split": "train",
                "expected": {"ruling": each.order.promised_ruling}
                | ({"clause": clause} if (clause := self.clauses[each.id]) else {}),
            }
            for each in self.kept
        ]
        write_text(dropped_beside(out), _lines(dropped))
        write_text(out, _lines(kept))


def dropped_beside(out: Path) -> Path:
    """Where the dropped prompts go."""
    return dropped_path(out, _SUFFIX)


def work_folder(out: Path, *, force: bool) -> Path:
    """Where replies are kept until the result is written. Raises InputError where either cannot be."""
    work = out.with_name(f"{out.stem}.work")
    for name in sorted(path.name for path in work.iterdir()) if work.is_dir() else ():
        # It is removed at the end: what a killed call has left may be in it, and nothing else.
        if name not in (LOCK, SPENT) and not name.startswith((f"{JOURNAL}-", REPLIES)):
            what = "stands where what is being written is kept; move it, or name another file"
            raise InputError.in_file(work / name, what, kind="exists")
    if out.suffix.lower() != _SUFFIX:
        said = f"its name must end in {_SUFFIX}: that is what is written"
        raise InputError.in_file(out, said, kind="not_valid")
    for path in (out, dropped_beside(out)):
        # What a killed call has left is its own, and goes on.
        check_place(path, force=force or work.is_dir())
    return work


def _lines(rows: Iterable[Mapping[str, object]]) -> str:
    return "".join(storable(json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)
