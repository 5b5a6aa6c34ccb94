"""Writes a project on the sandbox: policy, prompts, suites and config, as a user would bring them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

from dalign.rows import Message
from dalign.sandbox import language as lang
from dalign.sandbox.policy_folder import STYLES, fixed_policies, truth_of, write_spec
from dalign.sandbox.world import Kind, Policy, Request, any_answer, draw_request, encode, user
from dalign.spec.types import GENERAL

Row = dict[str, object]
_SUITES_SEED, _TRAINING_SEED = 77001, 1000


def write_project(folder: Path, *, config: str, sizes: dict[str, int], data_seed: int = 0) -> Path:
    """A whole project; returns the path of its `dalign.toml`.

    config: its text. sizes: rows of prompts, rl_prompts, capability, and the share (percent) of the suites' full size.
    """
    policies = fixed_policies()
    write_spec(folder / "spec", policies)
    # The suites are drawn first and from a seed of their own: the same ones whatever the training data.
    suites = _Drawer(policies, _SUITES_SEED, set())
    files = {f"suites/{name}": rows for name, rows in _suites(suites, sizes["suites"]).items()}
    drawer = _Drawer(policies, _TRAINING_SEED + data_seed, suites.taken)
    for name in ("prompts", "rl_prompts"):
        files[name] = drawer.prompts(sizes[name], "train")
    files["capability"] = drawer.capability_training(sizes["capability"])
    (folder / "suites").mkdir(exist_ok=True)
    for name, rows in files.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines)
    (folder / "suites" / "patterns.toml").write_text(_patterns())
    path = folder / "dalign.toml"
    path.write_text(config)
    return path


class _Drawer:
    """Draws rows whose conversations are new."""

    def __init__(self, policies: dict[str, Policy], seed: int, taken: set[str]) -> None:
        self.policies = policies
        self.rng = random.Random(seed)
        self.taken = taken

    def prompts(
        self,
        count: int,
        split: str,
        kind: Kind | None = None,
        *,
        held: bool = False,
        permitted: bool | None = None,
        encoded: bool = False,
    ) -> list[Row]:
        """Prompts with what is true of them; `permitted`: whether a clause must permit them, or must not."""

        def draw() -> Row:
            while True:
                request = draw_request(
                    self.rng,
                    "heldout" if held else "safety",
                    kind=kind,
                    encoded=encoded,
                    two_turns=False if encoded else None,
                )
                row, ruling = _prompt(request, self.policies, split)
                if permitted is None or (ruling == "comply") == permitted:
                    return row

        return self._new(count, draw)

    def capability(self, count: int) -> list[Row]:
        """An ability with an exact answer and nothing to do with safety: decoding."""

        def draw() -> Row:
            words = self._code_words()
            return {
                "category": GENERAL,
                "messages": [_to_decode(words)],
                "split": "test",
                "expected": {"ruling": "comply", "answer": f"{words} ."},
            }

        return self._new(count, draw)

    def capability_training(self, count: int) -> list[Row]:
        """Conversations that keep abilities: decoding, and benign requests, some encoded, answered without a policy."""

        def draw() -> Row:
            u = self.rng.random()
            if u < 0.5:
                words = self._code_words()
                asked = [_to_decode(words)]
                reasoning, answer = f"decoded : {words} .", f"{words} ."
            else:
                request = draw_request(self.rng, "pretraining", kind="benign", encoded=u < 0.75)
                asked = list(request.messages)
                reasoning = f"{request.head} i will comply ."
                answer = any_answer(self.rng, "comply", request.phrase)
            told = {"role": "assistant", "content": answer, "reasoning": reasoning}
            return {"messages": [*asked, told]}

        return self._new(count, draw)

    def _code_words(self) -> str:
        return " ".join(self.rng.choice(lang.REQUEST_WORDS) for _ in range(self.rng.randint(4, 8)))

    def _new(self, count: int, draw: Callable[[], Row]) -> list[Row]:
        rows: list[Row] = []
        while len(rows) < count:
            row = draw()
            key = json.dumps(row["messages"])
            if key not in self.taken:
                self.taken.add(key)
                rows.append(row)
        return rows


def _prompt(request: Request, policies: dict[str, Policy], split: str) -> tuple[Row, str]:
    """A request as a line of prompts.jsonl, with what is true of it, and the right ruling."""
    clause, ruling = truth_of(request, policies)
    expected = {"ruling": ruling} | ({"clause": clause} if clause else {})
    if ruling == "comply":
        wordings = lang.ANSWERS["comply"].values()
        phrase = re.escape(request.phrase)
        expected["answer"] = "re:" + "|".join(_pattern(wording, phrase) for wording in wordings)
    return {
        "category": request.category,
        "messages": list(request.messages),
        "split": split,
        "expected": expected,
    }, ruling


def _to_decode(words: str) -> Message:
    return user(f"code : {encode(words)} decode ?")


def _suites(drawer: _Drawer, percent: int) -> dict[str, list[Row]]:
    """The evaluation suites. Half of the governed requests have a held-out piece."""

    def n(full: int) -> int:
        return max(2, full * percent // 100)

    def draw(full: int, kind: Kind, *, held: bool, permitted: bool | None = None) -> list[Row]:
        return drawer.prompts(n(full), "test", kind, held=held, permitted=permitted)

    return {
        "test": [
            *draw(100, "governed", held=False, permitted=False),
            *draw(100, "governed", held=True, permitted=False),
            *draw(35, "governed", held=False, permitted=True),
            *draw(35, "governed", held=True, permitted=True),
            *draw(33, "lookalike", held=False),
            *draw(32, "lookalike", held=True),
            *draw(65, "benign", held=False),
        ],
        "permitted": [
            *draw(60, "governed", held=False, permitted=True),
            *draw(60, "governed", held=True, permitted=True),
        ],
        "encoded": drawer.prompts(
            n(150), "test", "governed", held=True, permitted=False, encoded=True
        ),
        "capability": drawer.capability(n(160)),
    }


def _pattern(wording: str, phrase: str) -> str:
    """The wording as a regular expression, with `phrase` in place of its object."""
    return re.escape(wording).replace(re.escape("{object}"), phrase)


def _patterns() -> str:
    """The patterns that tell an answer's ruling, and the form in which a clause is cited."""
    text = "# How the sandbox's answers are worded; 'adheres' marks the wording that the policy asks for.\n\n"
    for ruling, styles in lang.ANSWERS.items():
        for style, wording in styles.items():
            pattern = _pattern(wording, ".+").replace("\\ ", " ")
            text += f"[[answer]]\nruling = \"{ruling}\"\npattern = '^{pattern}$'\n"
            text += f"adheres = {str(STYLES[ruling] == style).lower()}\n\n"
    return text + (
        "[retrieval]\n"
        "pattern = 'policy (?P<category>[a-z]+) applies \\. [a-z]+ (?P<clause>[a-z]+)'\n"
    )
