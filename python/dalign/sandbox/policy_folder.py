"""Writes the policy that the sandbox's demo teaches: clauses with examples, style guides and golden cases."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

from dalign.sandbox import language as lang
from dalign.sandbox.world import Kind, Policy, Request, answer, draw_request, style_line
from dalign.spec.shipped import shipped
from dalign.spec.types import GENERAL, Ruling

# What each category's six clauses rule, in random order.
RULINGS: tuple[Ruling, ...] = (*("refuse",) * 3, *("safe-complete",) * 2, "comply")
STYLES = {"refuse": "sorry", "safe-complete": "support", "comply": "certainly"}
# Of the policy, and of its examples and golden cases, which no prompt holds.
_POLICY_SEED, _EXAMPLES_SEED = 7, 31


def fixed_policies() -> dict[str, Policy]:
    """The policy that the sandbox's demo teaches: one for each category."""
    rng = random.Random(_POLICY_SEED)
    policies = {}
    for category in lang.CATEGORIES:
        ids = rng.sample(lang.CLAUSE_IDS, len(lang.INTENTS))
        rulings = list(RULINGS)
        rng.shuffle(rulings)
        clauses = zip(ids, rulings, strict=True)
        policies[category] = Policy(dict(zip(lang.INTENTS, clauses, strict=True)), STYLES)
    return policies


def truth_of(request: Request, policies: dict[str, Policy]) -> tuple[str | None, str]:
    """The clause id (`category.key`, None: none applies) and the right ruling."""
    if request.category == GENERAL:
        return None, "comply"
    key, ruling = policies[request.category].ruling(request)
    return (f"{request.category}.{key}" if key else None), ruling


def write_spec(folder: Path, policies: dict[str, Policy]) -> None:
    """The policy as a spec folder in the real format's miniature, with templates in the sandbox's own language.

    Prompts hold clauses and principles alone; the rest is there for whoever reads or checks the folder.
    """
    (folder / "golden").mkdir(parents=True, exist_ok=True)
    (folder / "principles.md").write_text(style_line(STYLES) + "\n")
    shutil.copytree(shipped("sandbox") / "templates", folder / "templates", dirs_exist_ok=True)
    drawer = _Requests()
    for name, policy in policies.items():
        (folder / f"{name}.md").write_text(_category_file(name, policy, drawer))
    for name in policies:
        rows = [json.dumps(row) for row in _golden(name, policies, drawer)]
        (folder / "golden" / f"{name}.jsonl").write_text("\n".join(rows) + "\n")


class _Requests:
    """Draws requests without held-out pieces, none twice."""

    def __init__(self) -> None:
        self.rng = random.Random(_EXAMPLES_SEED)
        self._taken: set[str] = set()

    def draw(
        self, category: str, kind: Kind, intent: str, *, two_turns: bool | None = None
    ) -> Request:
        """One about that category and of that intent."""
        while True:
            request = draw_request(
                self.rng, "safety", kind=kind, encoded=False, two_turns=two_turns
            )
            text = request.messages[-1]["content"]
            if (request.category, request.intent) == (category, intent) and text not in self._taken:
                self._taken.add(text)
                return request

    def example(self, category: str, kind: Kind, intent: str) -> str:
        """The text of one that has a single turn."""
        return self.draw(category, kind, intent, two_turns=False).messages[-1]["content"]


def _category_file(name: str, policy: Policy, drawer: _Requests) -> str:
    front = f"---\ncategory: {name}\nversion: 1.0.0\nsummary: Things such as {', '.join(lang.OBJECTS[name])}.\n---\n"
    clauses = "\n".join(_clause(name, intent, policy, drawer) for intent in policy.clauses)
    styles = "".join(
        f"### {ruling}\n{lang.STYLE_KEYS[ruling]} {style} : {answer(ruling, style, 'it')}\n"
        for ruling, style in policy.styles.items()
    )
    return (
        f"{front}## Clauses\n{clauses}\n## Style\n{styles}\n## Changelog\n- 1.0.0: First version.\n"
    )


def _clause(name: str, intent: str, policy: Policy, drawer: _Requests) -> str:
    """A clause with an example on either side: a harmless look-alike, or what another clause does not permit."""
    key, ruling = policy.clauses[intent]
    governed = drawer.example(name, "governed", intent)
    if ruling == "comply":
        other = next(each for each, (_, ruled) in policy.clauses.items() if ruled != "comply")
        allowed, disallowed = governed, drawer.example(name, "governed", other)
    else:
        allowed, disallowed = drawer.example(name, "lookalike", intent), governed
    return (
        f"### {key} {ruling}: {intent}\nWho wants to {intent} one of these things.\n"
        f'- allowed: "{allowed}"\n- disallowed: "{disallowed}"\n'
    )


def _golden(name: str, policies: dict[str, Policy], drawer: _Requests) -> list[dict[str, object]]:
    """Two cases a clause and two look-alikes: one is answered as it should be, one as another ruling would have it."""
    kinds: list[tuple[Kind, str]] = [("governed", intent) for intent in policies[name].clauses]
    kinds.append(("lookalike", "instruct"))
    rows: list[dict[str, object]] = []
    for kind, intent in kinds:
        for verdict in ("pass", "fail"):
            request = drawer.draw(name, kind, intent)
            clause, right = truth_of(request, policies)
            others = [ruling for ruling in lang.RULINGS if ruling != right]
            given = right if verdict == "pass" else drawer.rng.choice(others)
            row: dict[str, object] = {
                "id": f"{name}-{len(rows) + 1:02}",
                "category": name,
                "messages": list(request.messages),
                "answer": answer(given, STYLES[given], request.phrase),
                "ruling": right,
            }
            rows.append(row | ({"clause": clause} if clause else {}) | {"verdict": verdict})
    return rows
