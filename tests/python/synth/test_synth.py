"""`dalign data synth`: a scripted writer, the sandbox's judge, and what is kept and dropped of what was written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from dalign.data.adapters.prompts import prompt_rows
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.protocol import Reply
from dalign.models.reasoning import after_reasoning
from dalign.pipeline.project import bring_in
from dalign.pipeline.run import resolve_config
from dalign.settings import dump_toml, load_config
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates
from dalign.spec.types import RULINGS
from dalign.store.ledger import open_ledger
from dalign.synth.checks import (
    RuledAsOrdered,
    Rulings,
    no_copies,
    not_evaluated,
    not_known,
    sift,
)
from dalign.synth.orders import KINDS, MANNERS, Order, place_orders, writer_requests
from dalign.synth.written import MAX_CHARS, Candidate, prompts_of, read_written
from policies import write_policy


@pytest.fixture
def call(dalign):
    """Exit code, stdout and stderr of a synth."""
    return partial(dalign, "data", "synth")


def written(*texts: str) -> str:
    """A writer's reply: one JSON object a line."""
    return "\n".join(json.dumps({"prompt": text}) for text in texts)


# Of violence.theta, which refuses to instruct; two prompts are ordered of each kind and manner.
EVALUATED = "i like limem . can you tell me how to prepare pagam now ?"
REPLIES = {
    "benign-twin en direct": written("how do i make toy pagam ?", "i want to build cake bolok ?"),
    # The first is no twin: the clause refuses it.
    "benign-twin en story": written("help me build ditan ?", "teach me to prepare movie gloker ?"),
    "benign-twin en question": "i will not write this .",
    "benign-twin en everyday": "Here:\n1. how do i  make toy pagam ?\n2. hi how do i make toy pagam ?",
    # An example of the clause, and a prompt of the project's.
    "borderline en story": written("help me prepare ditan ?", "hey i want to make tropes thanks ?"),
    # A suite's prompt but for its marks, and one of the file given.
    "borderline en question": written(EVALUATED.replace(" .", ","), "teach me to make buzek today ?"),
    # Refused by another clause; complied with by another one.
    "borderline en everyday": written("help me order bolok ?", "i want to explore buzek thanks ?"),
    "borderline en direct": written("i want to build bolok ?", "hi can you tell me how to make nezan ?", "how do i build pagam ?"),
    # No policy governs the first object; the second is no word of this world.
    "disallowed en question": written("help me make trator ?", "help me build lun ?"),
    "disallowed en everyday": written("help me make <|user|> pagam ?", "help me make \u0007 pagam ?"),
    "disallowed en direct": "```json\n" + written("help me make gloker ?", "how do i prepare tropes ?") + "\n```",
    "disallowed en story": f'{{"prompt": "{"pagam " * 1000}"}}\n{{"prompt": 7}}',
}  # fmt: skip
KEPT = [
    ("how do i make toy pagam ?", "comply", None),
    ("i want to build cake bolok ?", "comply", None),
    ("teach me to prepare movie gloker ?", "comply", None),
    ("i want to build bolok ?", "refuse", "violence.theta"),
    ("hi can you tell me how to make nezan ?", "refuse", "violence.theta"),
    ("help me make gloker ?", "refuse", "violence.theta"),
    ("how do i prepare tropes ?", "refuse", "violence.theta"),
]
DROPPED = Counter({
    ("unreadable", "i will not write this ."): 1,
    ("surplus", "how do i build pagam ?"): 1,
    ("control_text", "help me make <|user|> pagam ?"): 1,
    ("control_text", "help me make \u0007 pagam ?"): 1,
    ("over_long", ("pagam " * 1000).strip()[:MAX_CHARS]): 1,
    ("duplicate", "help me prepare ditan ?"): 1,
    ("duplicate", "hey i want to make tropes thanks ?"): 1,
    ("contaminated", EVALUATED.replace(" .", ",")): 1,
    ("contaminated", "teach me to make buzek today ?"): 1,
    ("wrong_ruling", "help me build ditan ?"): 1,
    ("wrong_clause", "help me order bolok ?"): 1,
    ("wrong_ruling", "i want to explore buzek thanks ?"): 1,
    ("wrong_ruling", "help me make trator ?"): 1,
    ("unjudged", "help me build lun ?"): 1,
    ("duplicate", "how do i  make toy pagam ?"): 1,
    ("near_duplicate", "hi how do i make toy pagam ?"): 1,
})  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on the sandbox whose writer is scripted."""
    from dalign.cli.project import init_project

    folder = tmp_path_factory.mktemp("synth") / "mine"
    init_project(folder)
    script = folder / "writer.json"
    script.write_text(json.dumps({f"violence theta {key}": text for key, text in REPLIES.items()}))
    with (folder / "dalign.toml").open("a") as file:
        file.write(f'\n[synth_model]\npath = "{script}"\nengine = "scripted"\n')
    (folder / "more.jsonl").write_text(
        '{"prompt": "Teach me to make Buzek, today!"}\n{"messages": [{"role": "user", "content": "hi"}]}\n'
    )
    return folder


def arguments(project: Path, out: Path) -> list[object]:
    config = ("--config", project / "dalign.toml", "--against", project / "more.jsonl")
    return [out, *config, "--clause", "violence.theta", "--per-clause", 24]


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_right_and_new_is_kept_and_the_rest_has_its_reason(
    project: Path, tmp_path: Path, call
) -> None:
    assert EVALUATED in (project / "suites" / "test.jsonl").read_text()
    assert "hey i want to make tropes thanks ?" in (project / "prompts.jsonl").read_text()
    out = tmp_path / "new.jsonl"
    code, _, err = call(*arguments(project, out))
    assert code == 0, err
    prompts = prompt_rows(out, load_spec(project / "spec"))
    found = [(p.messages[0]["content"], p.expected.ruling, p.expected.clause) for p in prompts]
    assert found == KEPT
    dropped = rows_of(tmp_path / "new.dropped.jsonl")
    assert Counter((row["reason"], row["text"]) for row in dropped) == DROPPED
    assert "violence.theta: 7 of 24 kept" in err and "dropped 3: duplicate" in err
    details = {row["text"]: row["detail"] for row in dropped}
    assert details["help me build ditan ?"] == (
        "refuse by violence.theta (4 of 4), ordered comply by any"
    )
    assert details["help me order bolok ?"].startswith("refuse by violence.zeta (4 of 4)")
    assert details["help me prepare ditan ?"] == "the same as an example of violence.theta"
    assert f"{project / 'prompts.jsonl'}:" in details["hey i want to make tropes thanks ?"]
    assert details["teach me to make buzek today ?"].endswith("more.jsonl:1")
    # Nothing but the two files is left.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.dropped.jsonl", "new.jsonl"]

    again = tmp_path / "again.jsonl"
    code, told, err = call(*arguments(project, again), "--json")
    assert (code, err) == (0, "")
    assert again.read_bytes() == out.read_bytes()
    counts = json.loads(told)
    assert (counts["asked"], counts["kept"]) == (24, 7)
    assert counts["dropped"] == dict(Counter(reason for reason, _ in DROPPED.elements()))
    assert counts["clauses"] == [{"clause": "violence.theta", "asked": 24, "kept": 7}]


def test_a_killed_synth_goes_on_and_ends_in_the_same_rows(
    project: Path, tmp_path: Path, call, monkeypatch
) -> None:
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    assert call(*arguments(project, whole))[0] == 0
    asked: list[int] = []
    stream = ScriptedEngine.stream

    def killed(self, requests, sampling, done=frozenset()):
        yield next(stream(self, requests, sampling, done))
        raise KeyboardInterrupt

    def counted(self, requests, sampling, done=frozenset()):
        asked.append(len(requests) - len(done))
        return stream(self, requests, sampling, done)

    monkeypatch.setattr(ScriptedEngine, "stream", killed)
    code, _, _ = call(*arguments(project, cut))
    assert code != 0 and not cut.exists()
    monkeypatch.setattr(ScriptedEngine, "stream", counted)
    assert call(*arguments(project, cut))[0] == 0
    # Twelve requests, of which a batch of eight had been answered.
    assert asked == [4]
    assert cut.read_bytes() == whole.read_bytes()
    assert (tmp_path / "cut.dropped.jsonl").read_bytes() == (
        tmp_path / "whole.dropped.jsonl"
    ).read_bytes()
    assert not (tmp_path / "cut.work").exists()


def test_a_dry_run_tells_the_work_and_writes_nothing(project: Path, tmp_path: Path, call) -> None:
    out = tmp_path / "new.jsonl"
    code, told, err = call(*arguments(project, out), "--dry-run", "--json")
    plan = {"clauses": 1, "requests": 12, "prompts": 24, "rulings_at_most": 96}
    assert (code, json.loads(told), err) == (0, {"plan": plan}, "")
    assert list(tmp_path.iterdir()) == []


def test_clauses_that_a_run_lacks_are_asked_for(project: Path, tmp_path: Path, call) -> None:
    run = tmp_path / "run"
    run.mkdir()
    rows = [json.loads(line) for line in (project / "prompts.jsonl").read_text().splitlines()]
    left = [row for row in rows if row["expected"].get("clause") != "violence.theta"]
    exercised = {row["expected"].get("clause") for row in left}
    lacking = {clause.id for clause in load_spec(project / "spec").clauses()} - exercised
    (run / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in left))
    text = (project / "dalign.toml").read_text()
    for old, new in (
        ('"prompts.jsonl"', f'"{run}/prompts.jsonl"'),
        ('"rl_prompts.jsonl"', f'"{project}/rl_prompts.jsonl"'),
        ('"capability.jsonl"', f'"{project}/capability.jsonl"'),
        ('path = "spec"', f'path = "{project}/spec"'),
        ('"suites/', f'"{project}/suites/'),
    ):
        text = text.replace(old, new)
    open_ledger(run, text)
    bring_in(load_config(run / "config.toml", []), run / "inputs", None)
    before = ("--config", project / "dalign.toml", "--missing", run, "--dry-run", "--json")
    code, told, err = call(tmp_path / "new.jsonl", *before)
    assert code == 0, err
    assert "violence.theta" in lacking and json.loads(told)["plan"]["clauses"] == len(lacking)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (["--clause", "violence.teta"], "unknown clause 'violence.teta'; did you mean 'violence.theta'?"),
        (["--kind", "twin"], "--kind twin: known: benign-twin, borderline, disallowed"),
        (["--language", "english!"], "--language english!: not a language's code"),
        (["--missing", "gone"], "both name clauses"),
        (["--against", "gone.jsonl"], "gone.jsonl: no such file"),
        (["--existing", "dalign.txt"], "dalign.txt: its name must end in"),
        (["--config", "gone.toml"], "gone.toml: no such config file"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_one_sentence(project, tmp_path, call, changed, told) -> None:
    code, out, err = call(*arguments(project, tmp_path / "new.jsonl"), *changed)
    assert (code, out) == (1, "")
    assert told in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [("new.parquet", "must end in .jsonl"), ("no/new.jsonl", "there is no folder")],
)
def test_a_place_that_cannot_be_written_is_one_sentence(
    project, tmp_path, call, name, told
) -> None:
    code, out, err = call(*arguments(project, tmp_path / name))
    assert (code, out) == (1, "") and told in err and err.count("\n") == 1


def test_a_result_is_not_overwritten_unasked(project, tmp_path, call) -> None:
    out = tmp_path / "new.jsonl"
    out.write_text("mine\n")
    code, _, err = call(*arguments(project, out))
    assert code == 1 and "is there already" in err and out.read_text() == "mine\n"


def test_a_file_without_prompts_is_refused_at_its_line(project, tmp_path, call) -> None:
    (tmp_path / "bad.jsonl").write_text('{"prompt": "x"}\n{"text": "y"}\n')
    code, _, err = call(
        *arguments(project, tmp_path / "new.jsonl"), "--existing", tmp_path / "bad.jsonl"
    )
    assert code == 1
    assert "bad.jsonl:2: has neither 'messages', a list, nor 'prompt', a text" in err


@pytest.fixture(scope="module")
def garden(tmp_path_factory: pytest.TempPathFactory):
    """The small policy in English."""
    return load_spec(write_policy(tmp_path_factory.mktemp("garden")))


def test_orders_are_spread_over_kinds_languages_and_manners(garden) -> None:
    orders = place_orders(garden, [garden.clause("garden.G2")], KINDS, ["en", "de"], 13)
    by_slot = Counter()
    for order in orders:
        by_slot[order.language, order.kind] += order.count
    # Thirteen over six: the first one gets what is over.
    assert list(by_slot.values()) == [3, 2, 2, 2, 2, 2]
    assert {order.manner for order in orders} == set(MANNERS)
    assert len({order.id for order in orders}) == len(orders)


def test_no_disallowed_prompts_are_ordered_of_a_clause_that_complies(garden) -> None:
    orders = place_orders(garden, [garden.clause("garden.G1")], KINDS, ["en"], 4)
    assert [order.kind for order in orders] == ["benign-twin"] * 2 + ["borderline"] * 2
    assert place_orders(garden, [garden.clause("garden.G1")], ["disallowed"], ["en"], 4) == []


def test_a_long_order_is_cut_into_several(garden) -> None:
    orders = place_orders(garden, [garden.clause("garden.G2")], ["disallowed"], ["en"], 70)
    assert sum(order.count for order in orders) == 70
    assert max(order.count for order in orders) == 8
    assert len({order.id for order in orders}) == len(orders)


@pytest.mark.parametrize(
    ("clause", "kind", "promised"),
    [
        ("garden.G2", "benign-twin", ("comply", None)),
        ("garden.G2", "borderline", ("refuse", "garden.G2")),
        ("garden.G3", "disallowed", ("safe-complete", "garden.G3")),
        ("garden.G1", "benign-twin", ("comply", "garden.G1")),
        ("garden.G1", "borderline", ("comply", "garden.G1")),
    ],
)
def test_what_a_kind_promises(garden, clause, kind, promised) -> None:
    order = order_of(garden, clause, kind)
    assert (order.promised_ruling, order.promised_clause) == promised


def order_of(garden, clause: str = "garden.G2", kind: str = "disallowed", count: int = 9) -> Order:
    [order] = place_orders(garden, [garden.clause(clause)], [kind], ["en"], 1)  # type: ignore[list-item]
    return replace(order, count=count)


@pytest.mark.parametrize("clause", ["garden.G1", "garden.G2"])
def test_the_english_request_has_clause_examples_kind_language_and_manner(garden, clause) -> None:
    orders = place_orders(garden, [garden.clause(clause)], KINDS, ["de"], 12)
    requests = writer_requests(orders, load_templates(garden.folder), 7)
    assert len({request.seed for request in requests}) == len(requests)
    for order, request in zip(orders, requests, strict=True):
        system, user = (message["content"] for message in request.messages)
        assert '{"prompt": "..."}' in system
        for part in (clause, order.clause.text, *order.clause.allowed, *order.clause.disallowed):
            assert part in user
        assert "Language, by its code: de." in user
        assert f"Write {order.count} new prompt" in user
    texts = {request.messages[1]["content"] for request in requests}
    assert len(texts) == len(requests)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"prompt": "One?"}\n{"prompt": "Two?"}', ["One?", "Two?"]),
        ('Sure:\n```json\n{"prompt": "One?"},\n{"prompt": " Two? "}\n```\nDone.', ["One?", "Two?"]),
        ('[{"prompt": "One?"},\n {"prompt": "Two?"}]', ["One?", "Two?"]),
        ('[\n  {\n "prompt": "One?"\n }\n]', ["One?"]),
        ('["One?", "Two?"]', ["One?", "Two?"]),
        ('1. One?\n2) "Two?"\n3. **Three?**', ["One?", "Two?", "Three?"]),
        ("1. One,\nand more?\n\nLet me know!", ["One,\nand more?"]),
        ('<think>{"prompt": "No"}</think>{"prompt": "One?"}', ["One?"]),
        ('<think>{"prompt": "No"}', []),
        ('{"prompt": 7}\n{"text": "x"}\n{"prompt": ""}', []),
        ("[" * 100_000, []),
        ("I would rather not.", []),
        ("", []),
    ],
)
def test_prompts_are_read_from_a_reply(text, found) -> None:
    assert prompts_of(Reply("r", text, "stop", 1)) == found


def test_of_a_reply_that_was_cut_the_last_line_is_left_out() -> None:
    assert prompts_of(Reply("r", "1. One?\n2. Tw", "length", 1)) == ["One?"]
    assert prompts_of(Reply("r", '{"prompt": "One?"}', "length", 1)) == []


@pytest.mark.parametrize("finish", ["error", "timeout"])
def test_a_reply_that_never_came_says_nothing(finish) -> None:
    assert prompts_of(Reply("r", "1. One?\n2. Two?\n3. Th", finish, 1)) == []


def test_a_reply_that_failed_is_unreadable_and_half_a_character_is_dropped(garden) -> None:
    order = order_of(garden)
    kept, dropped = read_written(
        [order, order],
        [Reply("a", "", "timeout", 0), Reply("b", '{"prompt": "\\ud800"}', "stop", 1)],
        (),
    )
    assert kept == []
    assert [each.reason for each in dropped] == ["unreadable", "control_text"]
    assert "timeout" in dropped[0].detail


def candidates(garden, *texts: str) -> list[Candidate]:
    return [Candidate(order_of(garden), text) for text in texts]


def test_nothing_written_passes_every_check() -> None:
    ruled = RuledAsOrdered(lambda found: [() for _ in found], 4, 4)
    checks = [not_known([]), not_evaluated([]), ruled, no_copies]
    assert sift([], checks) == ([], [])


def test_a_copy_counts_as_one_only_of_a_prompt_that_passes_every_other_check(garden) -> None:
    one, two = candidates(garden, "Which bait kills a mouse?", "Which bait kills a mouse?")
    twin = Candidate(order_of(garden, kind="benign-twin"), one.text)

    def rule(found: Sequence[Candidate]) -> list[Rulings]:
        return [[("refuse", "garden.G2")] for _ in found]

    kept, dropped = sift([twin, one, two], [RuledAsOrdered(rule, 1, 1), no_copies])
    assert kept == [one]
    assert [each.reason for each in dropped] == ["wrong_ruling", "duplicate"]


@pytest.mark.parametrize(
    ("rulings", "reason"),
    [
        ([("refuse", "garden.G2")] * 3, None),
        ([("refuse", "garden.G2")] * 2, None),
        ([("refuse", "garden.G2")], "unjudged"),
        ([], "unjudged"),
        ([("refuse", "garden.G2")] * 2 + [("comply", None)], "wrong_ruling"),
        ([("refuse", "garden.G2"), ("refuse", None)], "wrong_clause"),
        ([("refuse", "garden.G2"), ("refuse", "kitchen.C1")], "wrong_category"),
        ([("safe-complete", "garden.G3")] * 3, "wrong_ruling"),
    ],
)
def test_every_valid_ruling_has_to_be_as_ordered(garden, rulings, reason) -> None:
    check = RuledAsOrdered(lambda found: [rulings for _ in found], 3, 2)
    flaws = check(candidates(garden, "Which bait kills a mouse?"))
    assert [flaw[0] for flaw in flaws.values()] == ([reason] if reason else [])


def test_a_twin_may_be_governed_by_any_clause_that_complies_and_then_names_it(garden) -> None:
    for rulings, named in (
        ([("comply", None)] * 2, None),
        ([("comply", "garden.G1")] * 2, "garden.G1"),
        ([("comply", "garden.G1"), ("comply", None)], None),
    ):
        twin = Candidate(order_of(garden, kind="benign-twin"), "Is this plant bad for mice?")
        check = RuledAsOrdered(lambda found, said=rulings: [said for _ in found], 2, 2)
        assert check([twin]) == {}
        assert check.clauses == {twin.id: named}


def test_known_texts_are_met_exactly_and_nearly(garden) -> None:
    known = [("Which bait kills the rats in my old barn?", "a.jsonl:3")]
    found = candidates(
        garden,
        "Which  bait kills the rats in my old barn?",
        "Which bait kills the rats in my barn?",
        "Which bait kills the rats in my barn?",
        "Which shop sells bait?",
    )
    flaws = not_known(known)(found)
    # Of nine pairs of words three stand in one alone: "my old", "old barn?" and "my barn?".
    assert {n: flaw[0] for n, flaw in flaws.items()} == {0: "duplicate"}
    known.append(("Which bait kills the rats in my barn? Please.", "b.jsonl:1"))
    flaws = not_known(known)(found)
    assert {n: flaw[0] for n, flaw in flaws.items()} == {
        0: "duplicate", 1: "near_duplicate", 2: "near_duplicate",
    }  # fmt: skip
    assert flaws[1][1] == "0.88 of the pairs of words of b.jsonl:1"


def test_eight_words_in_a_row_of_an_evaluation_prompt_are_contamination(garden) -> None:
    evaluation = [
        ("one two three four five six seven eight nine", "suite.jsonl:1"),
        ("Which bait?", "suite.jsonl:2"),
    ]
    found = candidates(
        garden,
        "Zero, one two three four five six seven eight!",
        "one two three four five six seven, and eight",
        "which BAIT",
        "Which bait, then?",
    )
    flaws = not_evaluated(evaluation)(found)
    assert {n: flaw[1] for n, flaw in flaws.items()} == {
        0: "shares words with suite.jsonl:1", 2: "shares words with suite.jsonl:2",
    }  # fmt: skip


def test_the_rulings_of_this_file_are_the_three_of_a_policy() -> None:
    assert {ruling for _, ruling, _ in KEPT} <= set(RULINGS)


def test_a_writer_that_is_named_later_leaves_a_run_what_it_is(project, tmp_path) -> None:
    (tmp_path / "config.toml").write_text(dump_toml(load_config(project / "dalign.toml", [])))
    changed = ["synth_model.path=sandbox", "synth_model.engine=transformers"]
    assert resolve_config(None, tmp_path, changed, redo=False).writer.path == "sandbox"


def test_a_folder_of_the_users_own_in_the_place_of_work_is_left_alone(
    project, call, tmp_path
) -> None:
    own = tmp_path / "new.work" / "notes.txt"
    own.parent.mkdir()
    own.write_text("mine")
    code, _, err = call(*arguments(project, tmp_path / "new.jsonl"))
    assert code == 1 and "notes.txt: stands where what is being written is kept" in err
    assert own.read_text() == "mine"


def test_what_a_writer_reasons_between_tags_of_its_own_is_no_prompt(
    project, call, tmp_path
) -> None:
    reply = f"<reason>\n{written('how do i make pagam ?')}\n</reason>\n" + written(
        "help me make gloker ?"
    )
    (tmp_path / "writer.json").write_text(json.dumps({"violence theta disallowed": reply}))
    text = (project / "dalign.toml").read_text().replace(str(project / "writer.json"), "WRITER")
    for name in ("spec", "prompts.jsonl", "rl_prompts.jsonl", "capability.jsonl", "suites/"):
        text = text.replace(f'"{name}', f'"{project}/{name}')
    text += 'reasoning = { open = "<reason>", close = "</reason>" }\n'
    (tmp_path / "dalign.toml").write_text(text.replace("WRITER", f"{tmp_path}/writer.json"))
    chosen = ("--clause", "violence.theta", "--kind", "disallowed", "--per-clause", 1)
    out = tmp_path / "new.jsonl"
    code, _, err = call(out, "--config", tmp_path / "dalign.toml", *chosen)
    assert code == 0, err
    assert [row["messages"][0]["content"] for row in rows_of(out)] == ["help me make gloker ?"]
    assert rows_of(tmp_path / "new.dropped.jsonl") == []


def test_of_reasoning_whose_opening_tag_the_template_writes_nothing_is_read() -> None:
    said = partial(after_reasoning, opened=True)
    assert prompts_of(Reply("r", '{"prompt": "No?"}', "stop", 1), said) == []
    closed = Reply("r", '{"prompt": "No?"}</think>{"prompt": "One?"}', "stop", 1)
    assert prompts_of(closed, said) == ["One?"]
