"""spec(category) within a number of tokens: examples go, rules never."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.errors import InputError
from dalign.spec.fit import Fitted, fit
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates
from dalign.spec.types import GENERAL
from policies import GARDEN, write_policy

EXAMPLES = GARDEN.replace('- allowed: "How do I grow beans?"', '- allowed: "How do I grow beans?"\n- allowed: "How do I grow figs?"')  # fmt: skip


def fitted(folder: Path, most: int | None, name: str = "garden") -> Fitted:
    spec, templates = load_spec(folder), load_templates(folder)
    return fit(
        spec.category(name),
        lambda shown: templates.compose(spec.categories, spec.principles, shown),
        len,
        most,
    )


def test_without_a_bound_all_is_shown(tmp_path: Path) -> None:
    whole = fitted(write_policy(tmp_path, garden=EXAMPLES), None)
    assert whole.left_out == {}
    assert whole.tokens == len(whole.text)
    assert "figs" in whole.text


def test_what_just_fits_is_left_whole(tmp_path: Path) -> None:
    folder = write_policy(tmp_path, garden=EXAMPLES)
    size = fitted(folder, None).tokens
    assert fitted(folder, size).left_out == {}
    one_less = fitted(folder, size - 1)
    # The second example of the clause that has two goes first.
    assert one_less.left_out == {"garden.G1": 1}
    assert "beans" in one_less.text
    assert "figs" not in one_less.text


def test_all_examples_may_go_and_no_rule(tmp_path: Path) -> None:
    folder = write_policy(tmp_path, garden=EXAMPLES)
    bare = fitted(folder, fitted(folder, None).tokens - 120)
    assert bare.left_out == {"garden.G1": 3, "garden.G2": 2, "garden.G3": 2}
    for rule in ("Questions on plants", "No *poison* is named", "Name the vet first", "bait"):
        assert rule in bare.text


def test_what_cannot_fit_is_an_error(tmp_path: Path) -> None:
    folder = write_policy(tmp_path)
    with pytest.raises(InputError, match=r"spec\(garden\) has [\d,]+ tokens even without examples"):
        fitted(folder, 50)
    with pytest.raises(InputError, match=r"spec\(general\)"):
        fitted(folder, 10, GENERAL)
