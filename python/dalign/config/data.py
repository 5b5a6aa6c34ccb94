"""The policy, the data, and the stages that make rows of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from dalign.config.section import Natural, Positive, Repeats, Section, rule
from dalign.vocabulary import (
    OF_PRODUCT,
    OF_REASONING,
    OWN,
    SUB_SCORES,
)


class SpecFolder(Section):
    """The policy."""

    path: Path
    """A policy folder: principles.md, one Markdown file a category, and templates/ if the default ones do not suit."""
    max_tokens: Positive | None = None
    """Tokens that spec(category) may take in a prompt, by the tokenizers of the model and of the judge. Where it has more, examples are left out, and the run says which; rules never are."""
    place: Literal["system", "user"] = "system"
    """Where the model has it while completions are made: in its system prompt, or, for a model whose makers want none, in one user turn with the conversation."""


class Data(Section):
    """What the user brings."""

    prompts: Path
    """JSONL: one prompt a line, with its category."""
    capability: Path | None = None
    """JSONL: conversations that end on the assistant's turn, mixed into training so that abilities are kept."""
    held_out: Path | None = None
    """JSONL, as data.capability: rows that nothing is trained on. With them the run measures how far trained models are from the base, token by token (stage forget)."""
    rl_prompts: Path | None = None
    """JSONL: prompts for RL; without it, those of data.prompts."""
    completions: Path | None = None
    """JSONL: completions of data.prompts that were made elsewhere, in place of generated ones: `prompt_id`, `prompt` or `messages`, and `completion`, or `reasoning` and `answer`."""
    examples: Path | None = None
    """JSONL: examples in the same form: they are filtered, and what passes becomes an example that nobody judged."""
    limit: Positive | None = None
    """A trial on so many rows of each file, evenly of its categories: RL goes through its prompts once, and quotas only warn."""

    @rule
    def _are_brought_once(self) -> str | None:
        said = "completions and data.examples are both set; give completions to be judged, or examples that are not"
        return said if self.completions and self.examples else None

    @property
    def brought(self) -> Path | None:
        """The file of completions that were made elsewhere, if any."""
        return self.completions or self.examples


class Generate(Section):
    """Completions with the policy in sight."""

    n: Repeats = 2
    """Completions a prompt."""
    temperature: float = Field(1.0, ge=0.0)
    """0 is greedy."""
    top_p: float = Field(1.0, gt=0.0, le=1.0)
    max_new_tokens: Positive = 1024
    """A completion that is not finished by then is dropped as truncated."""


class Filter(Section):
    """Which completions are judged, beside the form that all need."""

    quality: bool = False
    """The usual limits too: no loops, broken ends, stray scripts or answers that repeat their reasoning."""
    limits: tuple[str, ...] = ("reasoning_dangling=:0", "answer_dangling=:0")
    """MEASURE=LEAST:MOST, as `dalign data filter --limit` takes them; unless set, no reference to a policy that the trained model will not see, but where the prompt speaks of one."""
    scripts: tuple[str, ...] = ()
    """Scripts that every completion may use beside its prompt's, such as Latin."""
    phrases: tuple[str, ...] = ()
    """Further references to what will not be there, such as 'as the handbook says'."""


# A name that the core can find in a reply.
SubScore = Annotated[str, Field(pattern=r"^[A-Za-z]([A-Za-z0-9_ -]*[A-Za-z0-9])?$")]
# Columns of verdicts and scores.
_TAKEN = frozenset({
    "id", "completion_id", "category", "sample", "state", "score", "stance", "reply", "finish", "hidden",
    "n_valid", "rating", "overall", "final", "clause_ids", "clause_verdicts",
})  # fmt: skip


class Judge(Section):
    """k judgements of each completion, made one score by judge.aggregate."""

    k: Repeats = 4
    """Judgements a completion."""
    min_valid: Positive | None = None
    """Fewer valid judgements than this: the completion is unjudged (k unless set)."""
    aggregate: Literal[
        "min", "mean", "median", "quantile", "trimmed_mean", "lower_bound", "soft_min"
    ] = "min"
    """How the k scores become one."""
    quantile: float = Field(0.25, ge=0.0, le=1.0)
    """For aggregate = 'quantile'."""
    trim: float = Field(0.25, ge=0.0, lt=0.5)
    """For aggregate = 'trimmed_mean': the share of the scores cut at each end."""
    level: float = Field(0.95, ge=0.5, lt=1.0)
    """For aggregate = 'lower_bound': of the one-sided bound on the mean, by Student's t."""
    softness: float = Field(1.0, gt=0.0)
    """For aggregate = 'soft_min': in points of the scale; near 0 it is the minimum, and the mean where it is large."""
    low: float = 0.0
    """The lowest score of the judge's scale."""
    high: float = 10.0
    """The highest score of the judge's scale."""
    early_stop: bool = False
    """Ask for judgements of completions one after another, and for no more of one whose score can no longer reach select.threshold: the same ones are kept, at fewer calls. Scores of the others are of what was asked. A trial (data.limit) asks for all, and tells how many it would have needed; so does select.by = 'policy-shift', which compares scores of all."""
    admission: float | None = Field(None, ge=0.5, le=1.0)
    """Before the judge filters or rewards, it is asked about the policy's golden cases, and no further unless it tells this share of each category's rightly (balanced over passing and failing ones), and no less of each ruling's than judges that read no policy. None: any judge may."""
    forced: bool = False
    """Go on with a judge that judge.admission refuses; the run records it. As --force."""
    temperature: float = Field(0.5, ge=0.0)
    max_new_tokens: Positive = 4096
    """A judgement that is not finished by then gives no score; most of it is the judge's reasoning."""
    sub_scores: tuple[SubScore, ...] | None = None
    """Sub-scores that the judge is asked for: each is kept beside its score, and so are verdicts on single clauses. Unless set, compliance, correctness, helpfulness and, where it is in sight, reasoning, if the judge's template takes {{ sub_scores }}."""
    reduce: str = OWN
    """What a judgement's score is: 'score', the judge's own; 'min' or 'mean' of the sub-scores; 'product', compliance times helpfulness as shares of the scale; or the sub-score of that name."""
    veto: tuple[str, ...] = ()
    """Clauses, such as self-harm.S3, or categories, that have a veto, or '*' for all: a judgement that finds one of them violated gives judge.low, whatever its score. Needs sub_scores, with which single clauses are asked for."""
    hint: bool = False
    """Tell the judge of the prompt's expected ruling, as what 'another AI determined'."""

    @rule
    def _ranges(self) -> str | None:
        if self.needed > self.k:
            return f"min_valid = {self.min_valid} is more than k = {self.k}; at most k judgements can be valid"
        return None if self.high > self.low else f"high = {self.high} is not above low = {self.low}"

    @rule
    def _sub_scores_can_be_reduced(self) -> str | None:
        names = SUB_SCORES if self.sub_scores is None else self.sub_scores
        taken = [name for name in names if name.lower().replace(" ", "_") in _TAKEN]
        if taken:
            return f"sub_scores names {taken[0]!r}, which is a column of every verdict; give it another name"
        if self.reduce == OF_REASONING:
            return f"reduce = {OF_REASONING!r}: where answers alone are judged, the reasoning has no score; take another one"
        all_alike = self.reduce in (OWN, "min", "mean")
        wanted: tuple[str, ...] = () if all_alike else (self.reduce,)
        if self.reduce == "product":
            wanted = OF_PRODUCT
        lacking = [name for name in wanted if name not in names]
        if lacking or (self.reduce != OWN and not names):
            known = ", ".join(map(repr, names)) or "no name"
            return f"reduce = {self.reduce!r} needs {lacking[0] if lacking else 'a name'} in sub_scores, which has {known}; take 'score', 'min', 'mean', 'product' or a sub-score's name"
        return None

    @property
    def identity(self) -> dict[str, Any]:
        """What verdicts depend on, for hashes: what is as ever changes none."""
        known = self.model_dump(
            exclude={
                "early_stop",
                "admission",
                "forced",
                *([] if self.veto else ["veto"]),
                *([] if self.aggregate == "soft_min" else ["softness"]),
                *(["reduce"] if self.reduce == OWN else []),
            }
        )
        return known | {"sub_scores": self.sub_scores or ()}

    @property
    def needed(self) -> int:
        """How many valid judgements a completion needs."""
        return self.k if self.min_valid is None else self.min_valid

    @property
    def parameter(self) -> float | None:
        """What the aggregate needs beside the scores: its quantile, trim, level or softness."""
        known = {
            "quantile": self.quantile,
            "trimmed_mean": self.trim,
            "lower_bound": self.level,
            "soft_min": self.softness,
        }
        return known.get(self.aggregate)


class Select(Section):
    """Which completions become training examples."""

    threshold: float = 7.0
    """Completions with at least this aggregated score are kept."""
    by: Literal["score", "policy-shift"] = "score"
    """Which examples max_examples leaves: by 'score', of those well judged as many as fall to each category's lot; by 'policy-shift', those whose prompts have the largest shift. For that, each prompt is completed and judged without the policy in sight too, and its shift is the mean score with the policy less the mean score without, as a share of the judge's scale."""
    shift_n: Repeats = 1
    """For by = 'policy-shift': completions a prompt without the policy in sight."""
    least_shift: float | None = Field(None, ge=-1, le=1)
    """For by = 'policy-shift': an example whose prompt has a smaller shift is dropped, as small_shift; one whose shift is not known is kept."""
    near: float | None = Field(None, gt=0, le=1)
    """Of examples whose sets of five words in a row have at least this Jaccard similarity, the best judged is kept. Unset: of equal ones alone."""
    per_prompt: Positive = 1
    """At most this many examples of one prompt, the best first."""
    max_examples: Positive | None = None
    """At most this many examples in all, evenly over the categories; select.by says which."""
    quota: Natural = 1
    """Each category of the prompts needs this many examples."""
    clause_quota: Natural = 0
    """Each clause that prompts name as expected.clause needs this many examples."""
    on_short: Literal["error", "warn"] = "error"
    """What a category or clause below its quota does to the run."""
    unjudged: Literal["drop", "error"] = "drop"
    """What an unjudged completion does to the run."""

    @rule
    def _a_least_shift_needs_shifts(self) -> str | None:
        said = f"least_shift = {self.least_shift} needs the shift of prompts; set select.by = 'policy-shift', or leave it out"
        return None if self.least_shift is None or self.by_shift else said

    @property
    def by_shift(self) -> bool:
        """Whether it is counted how much the policy changes what the model does."""
        return self.by == "policy-shift"

    @property
    def identity(self) -> dict[str, Any]:
        """What the choice depends on beside the rows, for hashes: what is as ever changes none."""
        beside = {"shift_n"} if self.by_shift else {"by", "shift_n", "least_shift"}
        return self.model_dump(exclude=beside)


class Pack(Section):
    """Examples to training rows."""

    capacity: Positive = 2048
    """Tokens a packed row holds."""
    over_long: Literal["error", "drop", "mask"] = "error"
    """What an example longer than the capacity does: stop the run, be left out, or stay, cut and without loss on any token. No row is cut to train on a part."""
