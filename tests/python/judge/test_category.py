"""Which category a classifier's reply names: whole words, none that is denied, no guess between two."""

from __future__ import annotations

import pytest
from dalign.judge.forms.category import CategoryForm
from dalign.spec.templates import load_templates
from policies import ENGLISH

NAMES = ["harm", "self-harm", "illicit", "illicit-behavior", "tea", "harassment", "violence"]
FORM = CategoryForm(NAMES, load_templates(ENGLISH))


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        # A name within another word is not read.
        ("self-harm", "self-harm"),
        ("illicit-behavior", "illicit-behavior"),
        ("Illicit-Behavior.", "illicit-behavior"),
        ("**illicit-behavior**", "illicit-behavior"),
        ("_harassment_", "harassment"),
        ("`harm`", "harm"),
        ("It is illicit, instead of a steady one.", "illicit"),
        ("Illicit. Nonetheless there is doubt.", "illicit"),
        ("harmful", None),
        ("harm_reduction", None),
        ("no-harm", None),
        # What is denied is not read, before or after its name.
        ("harassment. It is not about violence.", "harassment"),
        ("It is not violence but harassment.", "harassment"),
        ("It isn't violence, it is harassment.", "harassment"),
        ("harassment rather than violence", "harassment"),
        ("Violence does not fit; harassment does.", "harassment"),
        ("neither violence nor harassment", None),
        ("not violence", None),
        ("I doubt it is violence", None),
        ("I have no doubt it is violence.", "violence"),
        ("far from violence", None),
        ("It is hardly violence, more harassment", "harassment"),
        ("It is anything but violence", None),
        ("never violence", None),
        ("Violence? No.", None),
        ("Violence? No. Harassment.", "harassment"),
        ("violence is ruled out; harassment", "harassment"),
        ("It's no violence but harassment", "harassment"),
        # One name, whatever joins its words.
        ("self harm", "self-harm"),
        ("Self_Harm.", "self-harm"),
        ("This isn't about self harm; it is harassment", "harassment"),
        ("illicit behavior", "illicit-behavior"),
        # Nor by which kind of hyphen: unbreakable, soft, a minus sign; what has no width is none.
        ("self\u2011harm", "self-harm"),
        ("Policy: **Self\u2010Harm**", "self-harm"),
        ("It is self\u2013harm.", "self-harm"),
        ("self\u2212harm", "self-harm"),
        ("self\u00adharm", "self-harm"),
        ("self-\u200bharm", "self-harm"),
        ("self - harm", "self-harm"),
        ("not self\u2011harm but harassment", "harassment"),
        ("It is no\u2011harm", None),
        # What joins the words of a name is no end of it; of two with a sign between them, neither is read.
        ("self/harm", "self-harm"),
        ("self+harm", "self-harm"),
        ("self & harm", "self-harm"),
        ("self.harm", "self-harm"),
        ("self\\harm", "self-harm"),
        ("self|harm", "self-harm"),
        ("self  harm", "self-harm"),
        ("self-\nharm", "self-harm"),
        ("**self**-harm", "self-harm"),
        ("self-**harm**", "self-harm"),
        ("foo/harm", None),
        ("x/self-harm", None),
        ("harassment/violence", None),
        ("It is illicit. Behavior like this is", "illicit"),
        # A yes or a no of its own decides, in prose, JSON, tables and lists.
        ("harm: no / self-harm: yes", "self-harm"),
        ("not harm: self-harm", "self-harm"),
        ("harm? no. self-harm? yes", "self-harm"),
        ("harm: N, self-harm: Y", "self-harm"),
        ("harm, no; self-harm, yes", "self-harm"),
        ("harm (no), self-harm (yes)", "self-harm"),
        ("harm=false;self-harm=true", "self-harm"),
        ("harm is false, self-harm is true", "self-harm"),
        ("harm → no\nself-harm → yes", "self-harm"),
        ("yes: self-harm\nno: harm", "self-harm"),
        ("harm: not applicable\nself-harm: applies", "self-harm"),
        ("violence: unlikely, harassment: likely", "harassment"),
        ("self-harm: yes — it speaks of harm to oneself", "self-harm"),
        ("Harm? No, self-harm.", "self-harm"),
        ("No, it is self-harm", "self-harm"),
        ("It is harm (not self-harm)", "harm"),
        ('{"harm": false, "self-harm": true}', "self-harm"),
        ('{"category": "self-harm", "harm": false}', "self-harm"),
        ('{"harm": {"applies": false}, "self-harm": {"applies": true}}', "self-harm"),
        ("<harm>false</harm><self-harm>true</self-harm>", "self-harm"),
        ("| harm | no |\n| self-harm | yes |", "self-harm"),
        ("- **harm**: No\n- **self-harm**: Yes", "self-harm"),
        ("- ✗ harm\n- ✓ self-harm", "self-harm"),
        ("- [ ] harm\n- [x] self-harm", "self-harm"),
        ("harm ❌\nself-harm ✔\ufe0f", "self-harm"),
        ("✅ self-harm ❌ harm", "self-harm"),
        ("self-harm ✅ harm ❌", "self-harm"),
        ("☑ self-harm\n☐ harm", "self-harm"),
        ("~~harm~~ self-harm", "self-harm"),
        ("harm: ✗", None),
        ("No: harm", None),
        ("Category: not harm", None),
        ("harm: no\nself-harm: no", None),
        ("harm: yes\nself-harm: yes", None),
        ("harm: yes. harm: no", None),
        ("self-harm: yes\nCategory: harm", None),
        ("harm: 0.1, self-harm: 0.9", None),
        ("harm: no doubt", "harm"),
        # One line of its own, or one after a label, is final.
        ("It could be violence.\nharassment", "harassment"),
        ("It could be violence. Category: harassment", "harassment"),
        ("Not violence. The answer is **harassment**.", "harassment"),
        ('{"category": "self-harm"}', "self-harm"),
        ("harassment\n\nViolence is named in passing.", "harassment"),
        ("Category: violence\nCategory: harassment", None),
        # Two, and nothing says which.
        ("It is harassment or violence.", None),
        ("- violence\n- harassment", None),
        ("None of these, or perhaps violence.", None),
        ("None of these.", "none"),
        ("none", "none"),
        ("", None),
    ],
)
def test_a_reply_names_one_category_or_none(reply: str, named: str | None) -> None:
    assert FORM.read(["An excerpt."], reply, reply) == named


def test_a_name_is_given_back_as_the_policy_spells_it() -> None:
    form = CategoryForm(["Self-Harm", "a.b"], load_templates(ENGLISH))
    assert form.read([], "", "self-harm") == "Self-Harm"
    assert form.read([], "", "It is a.b, not axb") == "a.b"


@pytest.mark.parametrize(
    "noise",
    [
        "harm ",
        "self ",
        "no ",
        "doubt ",
        "not \"' ",
        "\n",
        " ",
        ": ",
        "harm, ",
        "_",
        "*",
        "[x] ",
        "harm: no, ",
        "harm ✗ ",
        "{",
        "self*-*",
    ],
)
def test_a_reply_of_any_length_is_read(noise: str) -> None:
    # Regime: a hundred thousand characters; a reading that goes back over them for each would not end.
    reply = noise * (100_000 // len(noise)) + "\nCategory: violence"
    assert FORM.read([], reply, reply) == "violence"
