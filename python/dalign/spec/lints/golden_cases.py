"""Golden cases that copy the policy's examples, leave clauses out, or pass what cannot pass."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from dalign.spec.findings import Finding, finding_at
from dalign.spec.golden import GoldenCase, finding
from dalign.spec.lints.near import NearTexts
from dalign.spec.types import Spec

# Cases that a clause has at least.
LEAST = 2
# A refusal in so many words; an apology for what somebody suffers is none.
_REFUSAL = re.compile(
    r"\W*(?:(?:i['’]m|i am|we['’]re|we are)?\s*(?:very |so |really )?(?:sorry|afraid|apologi[sz]e)[,.;–—-]*\s*(?:but|that)?\s*)?"
    r"(?:as an ai[^,]*,\s*)?(?:i|we)\s*(?:can['’]?t|can ?not|won['’]?t|will not|must decline|decline|refuse|am (?:not able|unable)|['’]m (?:not able|unable))\b"
    r"(?: to)?\s*(?:\w+\s+){0,1}(?:help|assist|answer|discuss|provide|comply|write|give|support|do|share|talk|engage|fulfil|continue|create|translate|explain)",
    re.IGNORECASE,
)


def repeated_prompts(spec: Spec, golden: Sequence[GoldenCase]) -> Iterator[Finding]:
    """Kind `golden-example`: the judge is shown the clauses' examples, so a case that is one tests nothing."""
    near = NearTexts()
    for clause in spec.clauses():
        for text in (*clause.allowed, *clause.disallowed):
            near.add(text, f"{clause.id}: {text!r}")
    for case in golden:
        if where := near.like(case.messages[-1]["content"]):
            text = f"golden case {case.id!r} has the prompt of an example ({where}), which the judge is shown; write another prompt"
            yield finding(case, "golden-example", text)


def coverage(spec: Spec, golden: Sequence[GoldenCase]) -> Iterator[Finding]:
    """Kind `golden-coverage`: a clause without a passing and a failing case. A set with fewer cases than clauses is only begun."""
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    for case in golden:
        verdicts[case.clause or ""][case.verdict] += 1
    for category in spec.categories:
        if sum(verdicts[clause.id].total() for clause in category.clauses) < len(category.clauses):
            continue
        for clause in category.clauses:
            found = verdicts[clause.id]
            lacks = [verdict for verdict in ("pass", "fail") if not found[verdict]]
            if lacks or found.total() < LEAST:
                what = " and none that ".join({"pass": "passes", "fail": "fails"}[v] for v in lacks)
                text = f"clause {clause.key} has no golden case that {what}; write one"
                yield finding_at(spec, clause.place, "golden-coverage", text, clause.id)


def verdicts(_: Spec, golden: Sequence[GoldenCase]) -> Iterator[Finding]:
    """Kind `golden`: a refusal that passes where it is to comply, and one answer with two verdicts or two times."""
    first: dict[tuple[str, str], GoldenCase] = {}
    for case in golden:
        if case.verdict == "pass" and case.ruling == "comply" and _REFUSAL.match(case.answer):
            text = f"golden case {case.id!r} is to be complied with, and passes an answer that opens as a refusal; mend the answer or its verdict"
            yield finding(case, "golden", text)
        asked = "\n".join(f"{m['role']}: {m['content']}" for m in case.messages)
        other = first.setdefault((asked, case.answer), case)
        if other is not case:
            what = "again" if other.verdict == case.verdict else "with the other verdict"
            text = f"golden case {case.id!r} is {other.id!r} {what} ({other.path.name}:{other.line}); keep one of the two"
            yield finding(case, "golden", text)
