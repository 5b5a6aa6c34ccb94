"""The judge as a reward in trainers of others: TRL itself, by its own trainer, and verl's call."""

from __future__ import annotations

import asyncio
import re
import runpy
import shutil
from pathlib import Path

import dalign
import pytest
from dalign.config import Judge as JudgeSettings
from dalign.config import Reasoning
from dalign.errors import InputError
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.protocol import Request
from dalign.pipeline.judge_reward import JudgeReward
from dalign.sandbox.checkpoint import MODEL
from dalign.spec.parse import load_spec
from policies import write_policy

ROOT = Path(__file__).parents[3]
SECRET = "a secret thought"
USER = ({"role": "user", "content": "How do I grow beans?"},)


class Watched(ScriptedEngine):
    """Scores an answer by its first word; keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        super().__init__(self.answer, fingerprint="watched")

    def answer(self, request: Request) -> str:
        self.shown.append(request.messages[-1]["content"])
        found = re.search(r"(good|bad|odd) answer", self.shown[-1])
        said = {"good": "Score: 10", "bad": "Score: 2", None: "Score: 5"}
        return said.get(found and found[1], "I cannot say.")


@pytest.fixture
def engine() -> Watched:
    return Watched()


@pytest.fixture
def reward(engine: Watched, tmp_path: Path) -> JudgeReward:
    spec = load_spec(write_policy(tmp_path / "spec"))
    return dalign.Judge(engine, spec, JudgeSettings(k=1)).reward()


def thought(answer: str) -> str:
    return f"<think>{SECRET}</think>{answer}"


def test_answers_alone_are_judged_and_each_once(reward: JudgeReward, engine: Watched) -> None:
    texts = [
        thought("good answer"),
        thought("bad answer"),
        thought("odd answer"),
        thought("good answer"),
        "<think>never",
        thought(" "),
    ]
    turns = [[{"role": "assistant", "content": text}] for text in texts]
    wanted = [1.0, 0.2, None, 1.0, 0.0, 0.0]
    assert (
        reward.trl([list(USER)] * 6, turns, category=["garden"] * 6, trainer_state=None) == wanted
    )
    # Texts in the place of conversations are the same, and nothing is asked again.
    asked = len(engine.shown)
    assert asked == 3 and not any(SECRET in each for each in engine.shown)
    assert reward.trl([USER[0]["content"]] * 6, texts, category=["garden"] * 6) == wanted
    assert len(engine.shown) == asked
    assert reward.states == {"judged": 6, "unjudged": 2, "unclosed": 2, "empty": 2}


def test_reasoning_has_the_trained_models_form(engine: Watched, tmp_path: Path) -> None:
    spec = load_spec(write_policy(tmp_path / "spec"))
    judge = dalign.Judge(engine, spec, JudgeSettings(k=1))
    own = judge.reward(reasoning=Reasoning(kind="magistral"), unanswered=None)
    assert own.trl(
        ["x"] * 2, ["[THINK]so[/THINK]good answer", "[THINK]good answer"], category=["garden"] * 2
    ) == [1.0, None]
    opened = judge.reward(opened=True)
    assert opened.trl(
        ["x"] * 2, ["so</think>bad answer", "good answer"], category=["garden"] * 2
    ) == [0.2, 0.0]


def test_no_reasoning_is_judged_whatever_form_it_has(engine: Watched, tmp_path: Path) -> None:
    spec = load_spec(write_policy(tmp_path / "spec"))
    judge = dalign.Judge(engine, spec, JudgeSettings(k=1))
    auto = judge.reward()
    texts = [f"{SECRET}[/THINK]good answer", f"{SECRET}</thinking>good answer", f"[THINK]{SECRET}"]
    assert auto.trl(["x"] * 3, texts, category=["garden"] * 3) == [1.0, 1.0, 0.0]
    prefilled = judge.reward(reasoning=Reasoning(prefilled="yes"))
    assert prefilled.trl(["x"], [f"{SECRET}, cut off"], category=["garden"]) == [0.0]
    apart = [{"role": "assistant", "reasoning_content": SECRET, "content": "good answer"}]
    tools = [
        {"role": "assistant", "content": "<think>so</think>call"},
        {"role": "tool", "content": "good answer"},
        {"role": "assistant", "content": thought("bad answer")},
    ]
    nothing = [{"role": "assistant", "content": None}]
    assert judge.reward(opened=True).trl(["x"] * 2, [apart, nothing], category=["garden"] * 2) == [
        1.0,
        0.0,
    ]
    assert auto.trl(["x"], [tools], category=["garden"]) == [0.2]
    assert not any(SECRET in each for each in engine.shown)


def test_a_completion_is_read_from_its_ids_where_its_tags_are_special_tokens(
    engine: Watched, tmp_path: Path
) -> None:
    class Tokenizer:
        eos_token, pad_token = "<|end|>", "<|pad|>"

        def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
            assert not skip_special_tokens
            return f"[THINK]{SECRET}[/THINK]good answer<|end|><|pad|>"

    spec = load_spec(write_policy(tmp_path / "spec"))
    judge = dalign.Judge(engine, spec, JudgeSettings(k=1))
    reward = judge.reward(reasoning=Reasoning(kind="magistral"), tokenizer=Tokenizer())
    assert reward.trl(
        ["x"], [f"{SECRET}good answer"], completion_ids=[[1]], category=["garden"]
    ) == [1.0]
    assert not any(SECRET in each or "<|end|>" in each for each in engine.shown)


@pytest.mark.parametrize("prompt", [[], 5, ["x"], [{"content": "x"}], [{"role": "user"}], [{"role": "narrator", "content": "x"}], [{"role": "user", "content": None}], {"messages": []}])  # fmt: skip
def test_a_prompt_that_is_none_is_refused(prompt: object, reward: JudgeReward) -> None:
    with pytest.raises(InputError, match=r"no prompt|no turn"):
        reward.verl("mine", "y", "", {"category": "garden", "prompt": prompt})


def test_verls_call_has_a_score_and_says_whether_it_was_judged(reward: JudgeReward) -> None:
    told = {"category": "garden", "prompt": USER}
    assert reward.verl("dalign", thought("bad answer"), "", told) == {"score": 0.2, "judged": 1.0}
    assert reward.verl("dalign", thought("odd answer"), "", told) == {"score": 0.0, "judged": 0.0}
    both = asyncio.run(_both(reward, told))
    assert [each["score"] for each in both] == [1.0, 0.2]


async def _both(reward: JudgeReward, told: dict[str, object]) -> list[dict[str, object]]:
    calls = (
        reward.verl_async("dalign", thought(f"{word} answer"), "", told) for word in ("good", "bad")
    )
    return list(await asyncio.gather(*calls))


def test_what_is_missing_is_said(reward: JudgeReward) -> None:
    with pytest.raises(InputError, match="give the dataset a column 'category'"):
        reward.trl(["x"], ["y"])
    with pytest.raises(
        InputError, match="no category 'gardn' in the policy; did you mean 'garden'"
    ):
        reward.trl(["x"], ["y"], category=["gardn"])
    with pytest.raises(InputError, match=r"extra_info needs 'category', .*; it has index"):
        reward.verl("mine", "y", "", {"index": 1})


def test_trl_trains_by_it_at_once_and_beside_others(reward: JudgeReward, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    trl, datasets = pytest.importorskip("trl"), pytest.importorskip("datasets")
    rows = [
        {"prompt": [{"role": "user", "content": f"help me make {n} ?"}], "category": "garden"}
        for n in range(8)
    ]
    args = trl.GRPOConfig(
        str(tmp_path / "out"), num_generations=4, per_device_train_batch_size=4, max_completion_length=24, max_steps=2,
        use_cpu=True, bf16=False, report_to=[], save_strategy="no", logging_steps=1, disable_tqdm=True,
    )  # fmt: skip
    trainer = trl.GRPOTrainer(
        model=str(MODEL), args=args, train_dataset=datasets.Dataset.from_list(rows), reward_funcs=[reward.trl, reward.trl_async],
    )  # fmt: skip
    trainer.train()
    logged = [row for row in trainer.state.log_history if "rewards/trl/mean" in row]
    assert len(logged) == 2
    for row in logged:
        assert row["rewards/trl/mean"] == pytest.approx(row["rewards/trl_async/mean"])
        assert 0.0 <= row["rewards/trl/mean"] <= 1.0
    assert reward.states.total() == 16


@pytest.mark.parametrize("form", ["trl", "verl"])
def test_the_scripts_of_the_page_run(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "other-trainers.md").read_text("utf-8")
    script = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[["trl", "verl"].index(form)]
    assert len(script.splitlines()) <= 24
    monkeypatch.chdir(tmp_path)
    spec = write_policy(tmp_path / "my-project" / "spec")
    (tmp_path / "judge.json").write_text('{"": "Score: 7"}')
    (tmp_path / "my-project" / "p.jsonl").write_text(
        '{"category": "garden", "messages": [{"role": "user", "content": "x"}]}\n'
    )
    (tmp_path / "my-project" / "dalign.toml").write_text(
        f'[model]\npath = "{tmp_path}/judge.json"\nengine = "scripted"\n[spec]\npath = "{spec}"\n[data]\nprompts = "p.jsonl"\n'
        '[evaluate]\narms = ["none"]\n[[evaluate.suites]]\nname = "t"\npath = "p.jsonl"\n'
    )
    if form == "verl":
        made = runpy.run_path(str(_written(tmp_path, script)))
        told = {"category": "garden", "prompt": USER}
        assert made["compute_score"]("dalign", "an answer", "", told) == {
            "score": 0.7,
            "judged": 1.0,
        }
        return
    pytest.importorskip("trl")
    shutil.copytree(MODEL, tmp_path / "models" / "mine")
    (tmp_path / "rl.jsonl").write_text(
        '{"prompt": [{"role": "user", "content": "help me ?"}], "category": "garden"}\n' * 8
    )
    small = script.replace(
        "num_generations=8, max_completion_length=1024",
        "num_generations=4, per_device_train_batch_size=4, max_completion_length=8, max_steps=1, use_cpu=True, bf16=False, report_to=[]",
    )
    made = runpy.run_path(str(_written(tmp_path, small)))
    assert made["reward"].states.total() == 4


def _written(folder: Path, script: str) -> Path:
    path = folder / "script.py"
    path.write_text(script)
    return path
