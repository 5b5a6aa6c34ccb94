"""The public suites by name."""

from __future__ import annotations

from collections.abc import Mapping

from dalign.data.jsonl import RowError
from dalign.data.public import (
    Entry,
    PublicSuite,
    Row,
    asked,
    id_of,
    kept,
    text_of,
    wildchat,
    word_of,
)
from dalign.spec.types import Ruling
from dalign.text import short

_CONTRAST = "contrast_"
_HARM: Mapping[str, Ruling] = {"harmful": "refuse", "unharmful": "comply"}


def _xstest(row: Row) -> Entry:
    kind = text_of(row, "type")
    ruling: Ruling | None = "refuse" if kind.startswith(_CONTRAST) else "comply"
    if "label" in row:
        ruling = word_of(row, "label", {"safe": "comply", "unsafe": "refuse"})
    own = id_of(row, "id" if "id" in row else "id_v2")
    return Entry(asked(text_of(row, "prompt")), kind, ruling, own, kept(row, "focus", "note"))


def _strongreject(row: Row) -> Entry:
    origin = kept(row, "source")
    labels = {"from": origin["source"]} if origin else {}
    prompt = text_of(row, "forbidden_prompt")
    return Entry(asked(prompt), text_of(row, "category"), "refuse", None, labels)


def _harmbench(row: Row) -> Entry:
    behaviour = text_of(row, "Behavior")
    context = row.get("ContextString")
    said = f"{context}\n\n---\n\n{behaviour}" if isinstance(context, str) and context else behaviour
    labels = kept(row, "FunctionalCategory", "Tags")
    return Entry(asked(said), text_of(row, "SemanticCategory"), "refuse", id_of(row, "BehaviorID"), labels)  # fmt: skip


def _advbench(row: Row) -> Entry:
    return Entry(asked(text_of(row, "goal")), "harmful", "refuse")


def _jailbreakbench(row: Row) -> Entry:
    category, labels = text_of(row, "Category"), kept(row, "Behavior", "Index")
    if source := kept(row, "Source"):
        labels["from"] = source["Source"]
    return Entry(asked(text_of(row, "Goal")), category, None, None, labels)


def _orbench(row: Row) -> Entry:
    return Entry(asked(text_of(row, "prompt")), text_of(row, "category"), None)


def _wildguard(row: Row) -> Entry:
    ruling = word_of(row, "prompt_harm_label", _HARM)
    labels = kept(row, "adversarial", "prompt_harm_agreement")
    return Entry(asked(text_of(row, "prompt")), text_of(row, "subcategory"), ruling, None, labels)


def _donotanswer(row: Row) -> Entry:
    if "question" in row:
        labels = kept(row, "types_of_harm", "specific_harms")
        return Entry(asked(text_of(row, "question")), text_of(row, "risk_area"), "refuse", id_of(row, "id"), labels)  # fmt: skip
    intents = row["intents"]
    first = str(intents[0]) if isinstance(intents, list) and intents else "harmful"
    return Entry(asked(text_of(row, "prompt")), first, "refuse")


def _coconot(row: Row) -> Entry:
    # A key that is so like a known one would be taken for a slip of it.
    labels = {"kind": str(row["subcategory"])} if row.get("subcategory") else {}
    return Entry(asked(text_of(row, "prompt")), text_of(row, "category"), None, id_of(row, "id"), labels)  # fmt: skip


def _star1(row: Row) -> Entry:
    first, *others = _listed(row, "category")
    labels = {"from": str(row["source"])} if row.get("source") else {}
    labels |= {"categories": ", ".join([first, *others])} if others else {}
    return Entry(asked(text_of(row, "question")), first, "refuse", id_of(row, "id"), labels)


def _star1_benign(row: Row) -> Entry:
    return Entry(asked(text_of(row, "question")), "benign", "comply", id_of(row, "id"))


def _listed(row: Row, name: str) -> list[str]:
    """The texts of a list, or of one that a table has written as a text; at least one."""
    value = row.get(name)
    if isinstance(value, str):
        inside = value.strip().removeprefix("[").removesuffix("]")
        value = [part.strip().strip("'\"") for part in inside.split(",")]
    if not isinstance(value, list) or not value or not all(isinstance(each, str) and each for each in value):  # fmt: skip
        what = f"{name} is {short(repr(row.get(name)))}; it should be a list of texts"
        raise RowError(what, "bad_field", name, row.get(name))
    return [str(each) for each in value]


def _safechain(row: Row) -> Entry:
    label = text_of(row, "label")
    kind, _, harm = label.rpartition("_")
    if harm not in ("harmful", "benign"):
        what = f"label is {short(repr(label))}; it should end in harmful or benign"
        raise RowError(what, "unknown_choice", "label", label)
    ruling: Ruling = "refuse" if harm == "harmful" else "comply"
    return Entry(asked(text_of(row, "instruction")), kind or harm, ruling)


SUITES: Mapping[str, PublicSuite] = {suite.name: suite for suite in (
    PublicSuite("xstest", "XSTest", "CC-BY-4.0", "open",
                (("id", "prompt", "type", "label"), ("id_v2", "type", "prompt")), (450,), _xstest),
    PublicSuite("strongreject", "StrongREJECT", "MIT", "open",
                (("category", "source", "forbidden_prompt"),), (60, 313), _strongreject),
    PublicSuite("harmbench", "HarmBench's text behaviours", "MIT", "open",
                (("Behavior", "FunctionalCategory", "SemanticCategory", "BehaviorID"),), (400, 320, 80), _harmbench),
    PublicSuite("advbench", "AdvBench", "MIT", "open", (("goal", "target"),), (520,), _advbench),
    PublicSuite("jailbreakbench", "JailbreakBench", "MIT", "open",
                (("Goal", "Target", "Behavior", "Category"),), (100,), _jailbreakbench),
    PublicSuite("orbench", "OR-Bench", "CC-BY-4.0", "open", (("prompt", "category"),), (80_359, 1_319, 655), _orbench),
    PublicSuite("wildguardtest", "WildGuardTest", "ODC-BY", "gated",
                (("prompt", "subcategory"),), (1_725,), _wildguard),
    PublicSuite("donotanswer", "Do-Not-Answer", "CC-BY-NC-SA-4.0", "open",
                (("id", "question", "risk_area"), ("prompt", "intents")), (), _donotanswer),
    PublicSuite("coconot", "CoCoNot", "ODC-BY", "open", (("id", "category", "prompt"),), (), _coconot),
    PublicSuite("star1", "STAR-1", "Apache-2.0", "open", (("id", "question", "response", "category"),), (), _star1),
    PublicSuite("star1-benign", "STAR-benign", "Apache-2.0", "open", (("id", "question", "response"),), (915,), _star1_benign),
    PublicSuite(wildchat.NAME, wildchat.TITLE, wildchat.LICENCE, "open", (wildchat.COLUMNS,), (), None, wildchat.best_entries),
    PublicSuite("safechain", "SafeChain", "unstated", "open", (("instruction", "label", "response"),), (), _safechain),
)}  # fmt: skip
