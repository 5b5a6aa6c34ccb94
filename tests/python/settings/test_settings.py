"""The config file: loading, overrides, errors, and writing it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from dalign.config import Config, Rl, Sft
from dalign.errors import InputError
from dalign.settings import (
    changed_keys,
    check_paths,
    commented_toml,
    dump_toml,
    load_config,
)

GOOD = """\
[model]
path = "sandbox"

[spec]
path = "policy"

[data]
prompts = "prompts.jsonl"

[judge]
k = 3  # judgements

[sft.lora]
r = 4

[[evaluate.suites]]
name = "one"
path = "one.jsonl"

[[evaluate.suites]]
name = "two"
path = "two.jsonl"
"""


def write(folder: Path, text: str = GOOD) -> Path:
    file = folder / "dalign.toml"
    file.write_text(text, "utf-8")
    return file


def load(folder: Path, text: str = GOOD, *overrides: str) -> Config:
    return load_config(write(folder, text), overrides)


def test_a_file_is_read_and_the_rest_is_default(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert (config.judge.k, config.sft.lora.r, config.select.threshold) == (3, 4, 7.0)
    assert [suite.name for suite in config.evaluate.suites] == ["one", "two"]


def test_paths_of_the_file_are_against_its_folder_and_those_of_set_against_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, here = tmp_path / "config", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    text = GOOD.replace('"sandbox"', '"../checkpoint"').replace('"two.jsonl"', '"/abs/two.jsonl"')
    config = load(folder, text, "data.prompts=mine.jsonl", "judge_model.path=judge")
    assert config.model.path == str(tmp_path / "checkpoint")
    assert config.spec.path == folder / "policy"
    assert [suite.path for suite in config.evaluate.suites] == [
        folder / "one.jsonl",
        Path("/abs/two.jsonl"),
    ]
    assert config.data.prompts == here / "mine.jsonl"
    assert config.judge_of_record.path == str(here / "judge")


def test_the_sandbox_and_a_servers_model_name_are_no_paths(tmp_path: Path) -> None:
    server = (
        '[judge_model]\npath = "org/judge"\nengine = "openai"\nbase_url = "http://127.0.0.1:1/v1"\n'
    )
    config = load(tmp_path, GOOD + server)
    assert config.model.path == "sandbox"
    assert config.judge_of_record.path == "org/judge"


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("judge.k=7", "k", 7),
        (" judge.k = 7 ", "k", 7),
        ("judge.hint=true", "hint", True),
        ("judge.aggregate=mean", "aggregate", "mean"),
        ("judge.aggregate='mean'", "aggregate", "mean"),
        ("judge.low=-1", "low", -1.0),
        ("judge.min_valid=none", "min_valid", None),
    ],
)
def test_an_override_is_a_toml_value_or_a_bare_word(
    tmp_path: Path, override: str, key: str, value: object
) -> None:
    assert getattr(load(tmp_path, GOOD, override).judge, key) == value


def test_a_number_is_a_text_where_the_setting_is_one(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD, "model.device=0").model.device == "0"
    assert load(tmp_path, GOOD, "model.path=a=b # c").model.path.endswith("a=b # c")


def test_overrides_alone_make_a_config_and_the_last_of_two_counts() -> None:
    base = ("model.path=sandbox", "spec.path=s", "data.prompts=p", "judge.k=2", "judge.k=5")
    config = load_config(None, base)
    assert config.judge.k == 5
    assert config.spec.path == Path.cwd() / "s"


@pytest.mark.parametrize(
    ("before", "after", "parts"),
    [
        ("[sft.lora]", "[sft]\nlearning_rat = 1\n[sft.lora]", ("dalign.toml:14: sft.learning_rat: unknown key", "did you mean 'learning_rate'?")),
        ("[sft.lora]", "[sft.lroa]", ("dalign.toml:13: sft.lroa: unknown key", "did you mean 'lora'?")),
        ("[judge]", "seed = 3\n[judge]", ("dalign.toml:10: data.seed: unknown key", "did you mean 'run.seed'?")),
        ("[model]", "[modle]", ("dalign.toml:1: modle: unknown key; did you mean 'model'? (1 more: model)",)),
        ("k = 3", "k = 'three'", ("dalign.toml:11: judge.k = 'three': must be an integer",)),
        ("k = 3", "k = '3'", ("dalign.toml:11: judge.k = '3': must be an integer",)),
        ("k = 3", "k = 3.5", ("dalign.toml:11: judge.k = 3.5: must be an integer",)),
        ("k = 3", "k = true", ("dalign.toml:11: judge.k = True: must be an integer",)),
        ("k = 3", "k = 0", ("dalign.toml:11: judge.k = 0: must be at least 1",)),
        ("k = 3", "hint = 1", ("dalign.toml:11: judge.hint = 1: must be true or false",)),
        ("k = 3", "quantile = 1.5", ("dalign.toml:11: judge.quantile = 1.5: must be at most 1",)),
        ("k = 3", "k = 10001", ("dalign.toml:11: judge.k = 10001: must be at most 10000",)),
        ("[sft.lora]\nr = 4", "[run]\nseed = -1", ("dalign.toml:14: run.seed = -1: must be at least 0",)),
        ("[sft.lora]\nr = 4", "[run]\nseed = 4294967296", ("dalign.toml:14: run.seed = 4294967296: must be at most 4294967295",)),
        ("[sft.lora]\nr = 4", "[generate]\nn = 1000000", ("dalign.toml:14: generate.n = 1000000: must be at most 10000",)),
        ("[sft.lora]\nr = 4", "[evaluate]\nsamples = 1000000", ("dalign.toml:14: evaluate.samples = 1000000: must be at most 10000",)),
        ("[sft.lora]\nr = 4", "[evaluate]\nresamples = 4294967296", ("dalign.toml:14: evaluate.resamples = 4294967296: must be at most 1000000",)),
        ("[sft.lora]\nr = 4", "[rl]\nsteps = 10000000000", ("dalign.toml:14: rl.steps = 10000000000: must be at most 2147483647",)),
        ("[sft.lora]\nr = 4", "[sft]\nmax_steps = 10000000000", ("dalign.toml:14: sft.max_steps = 10000000000: must be at most",)),
        ("[sft.lora]\nr = 4", "[evaluate]\narms = ['none', 'sft', 'none']", ("dalign.toml:14: evaluate.arms.2 = 'none': is the name of another",)),
        ("[sft.lora]\nr = 4", "[evaluate]\narms = []", ("dalign.toml:14: evaluate.arms = []: must not be empty",)),
        ("[sft.lora]\nr = 4", "[evaluate]\npass_score = 70", ("dalign.toml:14: evaluate.pass_score = 70.0 is outside", "0.0…10.0")),
        ("[sft.lora]\nr = 4", "[rl]\njudge_weight = 0", ("dalign.toml:14: rl.judge_weight = 0, and so is every other",)),
        ("[sft.lora]\nr = 4", "[rl.balance]\ndisallowed = 0\npermitted = 0\nungoverned = 0\ngeneral = 0", ("dalign.toml:17: rl.balance.general = 0, and so is every other",)),
        ("[sft.lora]\nr = 4", "[filter]\nlimits = ['words=1:2', 'words=1:2']", ("dalign.toml:14: filter.limits.1 = 'words=1:2': is the name of another",)),
        ("k = 3", "sub_scores = ['tone', 'tone']", ("dalign.toml:11: judge.sub_scores.1 = 'tone': is the name of another",)),
        ('path = "sandbox"', 'path = "m"\nreasoning = {open = "<t>", close = "<t>"}', ("dalign.toml:3: model.reasoning.close = '<t>' opens",)),
        ('name = "two"', 'name = "two"\nmetrics = ["capability", "capability"]', ("dalign.toml:22: evaluate.suites.1.metrics.1 = 'capability': is the name of another",)),
        ('name = "two"', 'name = "two"\nmetrics = []', ("dalign.toml:22: evaluate.suites.1.metrics = []: nobody grades",)),
        ('name = "two"', 'name = "two"\njudge = false', ("evaluate.suites.1.metrics", "nobody grades")),
        ("k = 3", "low = nan", ("dalign.toml:11: judge.low = nan: must be a finite number",)),
        ("k = 3", "high = inf", ("dalign.toml:11: judge.high = inf: must be a finite number",)),
        ("k = 3", "aggregate = 'men'", ("dalign.toml:11: judge.aggregate = 'men'", "did you mean 'mean'?")),
        ("k = 3", "min_valid = 5", ("dalign.toml:11: judge.min_valid = 5 is more than k = 4",)),
        ("k = 3", "trim = 0.5", ("dalign.toml:11: judge.trim = 0.5: must be less than 0.5",)),
        ("k = 3", "level = 1", ("dalign.toml:11: judge.level = 1", "must be less than 1")),
        ("k = 3", "k = 1\naggregate = 'lower_bound'", ("dalign.toml:11: judge.k = 1: judge.aggregate = 'lower_bound' needs at least 2",)),
        ("k = 3", "aggregate = 'lower_bound'", ("evaluate.judge_k = 1: judge.aggregate = 'lower_bound' needs at least 2",)),
        ("[sft.lora]\nr = 4", "[run]\npart_rows = 0", ("dalign.toml:14: run.part_rows = 0: must be at least 1",)),
        ("[sft.lora]\nr = 4", "[evaluate]\nmax_missing = 1.01", ("dalign.toml:14: evaluate.max_missing = 1.01: must be at most 1",)),
        ("k = 3", "k = [3]", ("dalign.toml:11: judge.k = [3]: must be an integer",)),
        ("[sft.lora]\nr = 4", "[sft]\nlora = 4", ("dalign.toml:14: sft.lora = 4: must be a table of settings",)),
        ("[sft.lora]\nr = 4", "[sft]\nlearning_rate = 0", ("dalign.toml:14: sft.learning_rate = 0", "must be more than 0")),
        ("[sft.lora]\nr = 4", "[sft]\nlora = {r = 0}", ("dalign.toml:14: sft.lora.r = 0: must be at least 1",)),
        ("[sft.lora]\nr = 4", "[select]\nthreshold = 11", ("dalign.toml:14: select.threshold = 11.0 is outside", "0.0…10.0")),
        ('path = "sandbox"\n', "", ("dalign.toml:1: model.path: is missing; give it: A checkpoint folder",)),
        ('path = "sandbox"', "path = 3", ("dalign.toml:2: model.path = 3: must be a text, in quotes",)),
        ('path = "sandbox"', 'path = "m"\nengine = "openai"', ("model.base_url is missing", "dalign.toml:1:")),
        ('path = "policy"', "path = 3", ("dalign.toml:5: spec.path = 3: must be a text, in quotes",)),
        ('[spec]\npath = "policy"\n', "", ("dalign.toml: spec: is missing; add a section [spec] with path",)),
        ('name = "two"', 'name = "Two"', ("dalign.toml:21: evaluate.suites.1.name = 'Two': must match",)),
        ('name = "two"', 'name = "one"', ("dalign.toml:21: evaluate.suites.1.name = 'one': is the name of another",)),
        ('name = "two"', 'nme = "two"', ("dalign.toml:21: evaluate.suites.1.nme: unknown key", "'name'")),
        ("[[evaluate.suites]]\nname = \"one\"", '[evaluate]\narms = ["sfft"]\n[[evaluate.suites]]\nname = "one"', ("dalign.toml:17: evaluate.arms.0 = 'sfft'", "did you mean 'sft'?")),
        ("[[evaluate.suites]]\nname = \"one\"", '[evaluate]\narms = "sft"\n[[evaluate.suites]]\nname = "one"', ("dalign.toml:17: evaluate.arms = 'sft': must be a list",)),
        ("k = 3", "k = three", ("dalign.toml:11: not TOML", "'k = three  # judgements'", "in quotes")),
        ('"two.jsonl"', '"two.jsonl', ("dalign.toml:22: not TOML",)),
        ("k = 3", "k = 3\nk = 4", ("dalign.toml:12: not TOML", "overwrite")),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_named(
    tmp_path: Path, before: str, after: str, parts: tuple[str, ...]
) -> None:
    assert before in GOOD
    with pytest.raises(InputError) as caught:
        load(tmp_path, GOOD.replace(before, after, 1))
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("judge.k=three", "--set judge.k=three: judge.k = 'three': must be an integer"),
        ("judge.kk=3", "--set judge.kk=3: judge.kk: unknown key"),
        ("jugde.k=3", "--set jugde.k=3: jugde: unknown key; did you mean 'judge'?"),
        ("judge=3", "--set judge=3: judge = 3: must be a table of settings"),
        ("judge.k.x=3", "--set judge.k.x=3: judge.k is no section; set judge.k as a whole"),
        ("judge.k", "--set judge.k: not a setting; write --set section.key=value"),
        ("=3", "--set =3: not a setting; write --set section.key=value"),
        ("judge..k=3", "--set judge..k=3: not a setting; write --set section.key=value"),
        ("judge.min_valid=9", "--set judge.min_valid=9: judge.min_valid = 9 is more than k = 3"),
        ("judge_model.device=cpu", "--set judge_model.device=cpu: judge_model.path: is missing"),
        (
            "rl.temperature=nan",
            "--set rl.temperature=nan: rl.temperature = nan: must be a finite number",
        ),
    ],
)
def test_a_mistake_in_an_override_is_named(tmp_path: Path, override: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, GOOD, override)
    assert str(caught.value).startswith(sentence)


def test_a_missing_file_a_folder_and_another_encoding_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.toml: no such file; give a TOML file"):
        load_config(tmp_path / "no.toml", [])
    with pytest.raises(InputError, match="is a folder; give a TOML file"):
        load_config(tmp_path, [])
    (tmp_path / "dalign.toml").write_bytes(b"# \xe9")
    with pytest.raises(InputError, match=r"dalign\.toml: not UTF-8 \(at byte 2\)"):
        load_config(tmp_path / "dalign.toml", [])


def make_all(folder: Path) -> None:
    (folder / "policy").mkdir()
    for name in ("prompts", "one", "two"):
        (folder / f"{name}.jsonl").touch()


def test_paths_that_are_there_pass(tmp_path: Path) -> None:
    make_all(tmp_path)
    check_paths(load(tmp_path))


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("spec.path=gone", ("spec.path = ", "/gone': no such folder; give a policy folder")),
        ("spec.path=file", ("spec.path = ", "/file': is not a folder; give a policy folder")),
        ("data.prompts=gone", ("data.prompts = ", "/gone': no such file; give a JSONL file")),
        ("data.prompts=folder", ("data.prompts = ", "/folder': is not a file")),
        ("data.capability=gone", ("data.capability = ", "/gone'", "leave the key out")),
        ("data.rl_prompts=gone", ("data.rl_prompts = ", "/gone'", "leave the key out")),
        ("model.path=gone", ("model.path = ", "/gone': no such folder", "'sandbox'")),
        ("model.path=folder", ("model.path = ", "/folder': holds no checkpoint", "config.json")),
        ("judge_model.path=gone", ("judge_model.path = ", "/gone': no such folder")),
        ("second_judge_model.path=gone", ("second_judge_model.path = ", "/gone': no such folder")),
        ("model.checkpoint=gone", ("model.checkpoint = ", "/gone': no such folder")),
        (
            "evaluate.suites=[{name='x', path='gone'}]",
            ("evaluate.suites.x.path = ", "/gone'", "remove the suite"),
        ),
        (
            "evaluate.suites=[{name='x', path='file', patterns='gone'}]",
            ("evaluate.suites.x.patterns = ", "/gone'"),
        ),
    ],
)
def test_a_path_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str, parts: tuple[str, ...]
) -> None:
    make_all(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        check_paths(load(tmp_path, GOOD, override))
    for part in parts:
        assert part in str(caught.value)


def test_a_dumped_config_loads_as_the_same_config(tmp_path: Path) -> None:
    odd = 'quote " backslash \\ tab \t newline \n delete \x7f é'
    config = load(
        tmp_path, GOOD, "rl.balance.general=0.5", "judge_model.path=sandbox", "judge.low=-0.5"
    )
    config = config.model_copy(update={"model": config.model.model_copy(update={"device": odd})})
    (tmp_path / "dump.toml").write_text(dump_toml(config), "utf-8")
    assert load_config(tmp_path / "dump.toml", []) == config


def test_a_dump_without_suites_loads_too(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD, "evaluate.suites=[]")
    (tmp_path / "dump.toml").write_text(dump_toml(config), "utf-8")
    assert load_config(tmp_path / "dump.toml", []) == config


def test_changed_keys_are_named_with_old_and_new_value(tmp_path: Path) -> None:
    old = load(tmp_path)
    new = load(
        tmp_path, GOOD.replace('name = "one"', 'name = "three"'), "judge.k=5", "judge.min_valid=2"
    )
    one = str(tmp_path / "one.jsonl")
    changed = changed_keys(old, new)
    assert changed[0] == "judge.k: 3 → 5"
    assert "judge.min_valid: unset → 2" in changed
    assert f'evaluate.suites.one.path: "{one}" → unset' in changed
    assert f'evaluate.suites.three.path: unset → "{one}"' in changed
    assert not any(".two." in key for key in changed)
    assert changed_keys(old, old) == []


def test_a_commented_file_loads_as_the_values_given(tmp_path: Path) -> None:
    values = {**tomllib.loads(GOOD), "rl": {"balance": {"general": 0.5}}}
    text = commented_toml(values)
    assert tomllib.loads(text)["judge"] == {"k": 3}
    assert load(tmp_path, text) == load(tmp_path, GOOD, "rl.balance.general=0.5")


def test_a_commented_file_has_every_setting_once_and_says_what_it_does() -> None:
    text = commented_toml({"model": {"path": "sandbox"}})
    lines = text.splitlines()
    assert lines.count('path = "sandbox"') == 1
    assert (
        "# [judge_model]" in lines
        and "# [[evaluate.suites]]" in lines
        and "# [rl.balance]" in lines
    )
    assert (
        "# threshold = 7.0" in lines
        and "# learning_rate = 1e-05" in lines
        and "# min_valid =" in lines
    )
    assert "# Completions with at least this aggregated score are kept." in lines
    assert max(map(len, lines)) <= 100


def test_uncommenting_every_default_changes_nothing(tmp_path: Path) -> None:
    lines = commented_toml(tomllib.loads(GOOD)).splitlines()
    # Up to the first section that is unset by default, or that has a setting without a default.
    shown = []
    for line in lines:
        key, equals, value = line.removeprefix("# ").partition(" = ")
        default = line.startswith("# ") and equals and key.isidentifier() and value
        shown.append(f"{key} = {value}" if default else line)
    kept = "\n".join(shown).split("# Draw prompts by ruling")
    evaluate = kept[1][kept[1].index("# Arms x suites") :]
    head, judge_model = kept[0].split("# The judge; without it")
    text = head + judge_model[judge_model.index("# The policy.") :] + evaluate
    assert load(tmp_path, text) == load(tmp_path)


def test_rl_has_replay_balance_and_kl_off_unless_set() -> None:
    assert (Rl().replay, Rl().balance, Rl().beta) == (0.0, None, 0.0)


def test_the_home_of_a_user_that_is_none_is_a_path_that_is_not_there(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    assert config.data.prompts is not None
    (tmp_path / "policy").mkdir(exist_ok=True)
    config = load_config(tmp_path / "dalign.toml", ["data.prompts=~nobody-of-that-name/x"])
    with pytest.raises(InputError, match=r"data\.prompts = .*~nobody-of-that-name/x.*no such file"):
        check_paths(config)


def test_what_an_rl_checkpoint_depends_on_has_of_lora_nothing_where_all_weights_train(
    tmp_path: Path,
) -> None:
    full, other = (load(tmp_path, GOOD, f"rl.lora.r={r}").rl.identity for r in (4, 8))
    assert full == other and not {"method", "lora"} & full.keys()
    given = ["rl.method=lora", "rl.learning_rate=1e-6"]
    four, eight = (load(tmp_path, GOOD, *given, f"rl.lora.r={r}").rl.identity for r in (4, 8))
    assert (four["lora"]["r"], eight["lora"]["r"]) == (4, 8)
    assert {**four, "lora": eight["lora"]} == eight and four.keys() - full.keys() == {
        "method",
        "lora",
    }


def test_lora_has_a_rate_of_its_own_unless_one_is_set(tmp_path: Path) -> None:
    def rates(section: str) -> list[float]:
        method, rate = f"{section}.method=lora", f"{section}.learning_rate=3e-5"
        loaded = [load(tmp_path, GOOD, *given) for given in ([], [method], [method, rate])]
        return [getattr(config, section).learning_rate for config in loaded]

    assert rates("sft") == [1e-5, 1e-4, 3e-5]
    assert rates("rl") == [1e-6, 1e-5, 3e-5]
    lora = load(tmp_path, GOOD, "sft.method=lora", "rl.method=lora", "rl.lora.r=2")
    (tmp_path / "resolved.toml").write_text(dump_toml(lora))
    assert load_config(tmp_path / "resolved.toml") == lora


def test_settings_that_came_later_are_in_no_hash_while_they_are_what_was_before():
    later = {"normalise", "unpaid", "redraws", "weigh", "rows_per_pass", "method", "lora"}
    assert later.isdisjoint(Rl().identity)
    assert "normalise" not in Sft().identity and "method" in Sft().identity
    assert Rl(redraws=1, unpaid=("truncated",)).identity["unpaid"] == ["truncated"]
    assert Sft(normalise="sequences").identity["normalise"] == "sequences"
    assert Rl(rows_per_pass=4).identity["rows_per_pass"] == 4
