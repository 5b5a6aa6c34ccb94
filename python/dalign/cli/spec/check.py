"""Prints what is to be mended in a policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from dalign import progress
from dalign.cli.terminal import tell, tell_json
from dalign.errors import InputError, did_you_mean
from dalign.spec.check import Checked, check_spec
from dalign.spec.findings import KINDS, Finding
from dalign.spec.shipped import spec_folder
from dalign.spec.token_count import token_count
from dalign.text import one_line


def print_check(
    folder: str,
    tokenizer: Path | None,
    max_tokens: int,
    *,
    ignore: Sequence[str],
    model: Path | None,
    as_json: bool,
) -> bool:
    """Prints findings and counts; returns whether there is nothing to mend."""
    for kind in ignore:
        if kind not in KINDS:
            said = f"--ignore {kind}: no such kind; {did_you_mean(kind, KINDS)}"
            raise InputError(said, kind="unknown_choice")
    count = token_count(tokenizer)
    checked = check_spec(spec_folder(folder), count, max_tokens)
    found = [each for each in checked.findings if each.kind not in ignore]
    facts: dict[str, object] = {}
    unread: list[str] = []
    if model is not None:
        from dalign.pipeline.review import review_spec
        from dalign.settings import load_config
        from dalign.store.ledger import checked_config

        shown = progress.Progress() if as_json else progress.for_terminal()
        review = review_spec(checked, load_config(checked_config(model), []), shown)
        found += [each for each in review.findings if each.kind not in ignore]
        facts, unread = {"judge": review.facts}, review.unread
    if as_json:
        tell_json(_as_json(checked, found, count.note, facts), indent=1)
    else:
        tell(_as_text(checked, found, count.note))
    if unread:
        # What nobody could read is no approval: neither a person nor CI is to take it for one.
        what = f"no reply of its judge was understood ({', '.join(unread)})"
        said = f"{model}: {what}; name a model that can judge, or leave --model out"
        raise InputError(said, kind="wrong_replies", path=model)
    return not found


def _as_json(
    checked: Checked, found: Sequence[Finding], note: str, facts: Mapping[str, object]
) -> dict[str, object]:
    categories = [
        {
            "name": each.name,
            "version": each.version,
            "clauses": len(each.clauses),
            "golden": checked.golden_of(each),
            "tokens": checked.tokens.get(each.name),
        }
        for each in checked.spec.categories
    ]
    findings = [
        {"file": str(f.file), "line": f.line, "kind": f.kind, "clause": f.clause or None, "text": f.text}
        for f in found
    ]  # fmt: skip
    trivial = {judge.name: {r: asdict(b) for r, b in judge.reached.items()} for judge in checked.trivial}  # fmt: skip
    return {"categories": categories, "findings": findings, "trivial_judges": trivial, "tokens": note, **facts}  # fmt: skip


def _as_text(checked: Checked, found: Sequence[Finding], note: str) -> str:
    lines = [one_line(f"{each} [{each.kind}]") for each in found]
    width = max((len(name) for name in checked.spec.names), default=0)
    for category in checked.spec.categories:
        size = checked.tokens.get(category.name)
        tokens = "size unknown" if size is None else f"{size:>6,} tokens"
        head = f"{category.name:<{width}}  {category.version:<8} {len(category.clauses):>4} clauses"
        lines.append(f"{head} {checked.golden_of(category):>4} golden cases  {tokens}")
    lines += [*_trivial(checked), note, f"{len(found)} to mend" if found else "nothing to mend"]
    return "\n".join(lines)


def _trivial(checked: Checked) -> Iterator[str]:
    """What judges reach that read no policy, a line each."""
    if any(judge.reached for judge in checked.trivial):
        yield "judges that read no policy, balanced accuracy on the golden cases (0.5 is a coin's):"
        for judge in checked.trivial:
            yield f"  {judge.name}: " + ", ".join(f"{r} {b}" for r, b in judge.reached.items())
