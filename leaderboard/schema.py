"""What a submission is, field by field: `submission.json`, and a line of each of the two files beside it.

    submission.json     Submission: who, on what, how, judged by whom, and the scores that its author computed
    predictions.jsonl   PredictionLine: one line an answer, sorted by condition and item
    judgements.jsonl    JudgementLine: one line a judgement, sorted by condition, item and repeat; empty without a judge

All three are canonical JSON: sorted keys, no spaces, UTF-8, no NaN, a newline at the end of each line. Nothing that is
not named here may stand in them, every text and number has bounds, and no field holds a path or a host. The same as
JSON Schema (draft 2020-12): `cpbench leaderboard schema`, packaged as `submission.schema.json`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator
from pydantic.json_schema import models_json_schema

from cpbench.records import SCORED, AnswerStatus, JudgeStatus

SCHEMA_VERSION: Final = 1
ANSWER_LIMIT = 8_000  # characters of one answer; `submit` cuts what was cut off anyway, and refuses the rest
TEXT_LIMIT = 20_000  # of reasoning, a judge's words and reason

# No control characters, no line separators, nothing that turns the direction of what stands beside it on a page.
_LINE = r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]+$"
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_LINE)]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=_LINE)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_LINE)]  # of an item, a recording
Url = Annotated[str, StringConstraints(max_length=500, pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[!#-;=?-~]*)?$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Fingerprint = Annotated[str, StringConstraints(pattern=r"^v1:sha256:[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=10**15)]
Amount = Annotated[float, Field(ge=0, le=1e15)]
Points = Annotated[float, Field(ge=0, le=100)]
Text = Annotated[str, StringConstraints(max_length=TEXT_LIMIT)]
Simple = bool | int | float | Word | None

Kind = Literal["end_to_end", "cascade", "api", "null"]
TrainedOnEval = Literal["yes", "no", "unknown"]


class _Part(BaseModel):
    """Closed: no field more, no number that is none, no text for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class System(_Part):
    """What is ranked, and what only its makers know of it."""

    name: Word
    organisation: Word | None = None
    url: Url | None = None
    kind: Kind
    revision: Word | None = None
    license: Word | None = None
    trained_on_eval: TrainedOnEval
    backbone: Word | None = None  # the family of the language model underneath


class Dataset(_Part):
    """The set that was answered; the board knows it by its fingerprint, and the rest has to agree."""

    name: Word
    version: Word
    split: Word
    fingerprint: Fingerprint
    items: Annotated[int, Field(ge=1, le=1_000_000)]
    recordings: Annotated[int, Field(ge=1, le=1_000_000)]


class Generation(_Part):
    """How the answers came about, and which of several runs this is."""

    condition: Word  # what is ranked: "audio" for most
    others: Annotated[tuple[Word, ...], Field(max_length=10)] = ()  # conditions beside it, for the listening gain
    prompt_sha256: Sha256  # of the questions as they were worded: `datasets.prompts_sha256`
    tag_template: Sentence | None = None  # of a model that is given tags
    parameters: Annotated[dict[Word, Simple], Field(max_length=50)] = Field(default_factory=dict)
    seeds: Annotated[tuple[int, ...], Field(max_length=100)] = ()
    attempted_runs: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    selection_rule: Sentence = "the only run"


class FileFacts(_Part):
    """A file beside submission.json."""

    sha256: Sha256
    lines: Count
    bytes: Count


class JudgeFacts(_Part):
    """Who judged. `judge_id` is the digest of `identity`, so that a changed prompt is another judge."""

    judge_id: Word
    name: Word
    identity: dict[str, JsonValue] | None = None  # prompt, schema, parser, members; None: the judge does not say
    prompt_sha256: Sha256 | None = None  # of the prompt file's bytes, as in `identity`
    members: Annotated[tuple[Word, ...], Field(max_length=100)] = ()  # the models that were asked for
    resolved: Annotated[tuple[Word, ...], Field(max_length=100)] = ()  # what their providers said answered
    repeats: Annotated[int, Field(ge=1, le=100)] = 1  # judgements of an answer that are in its score
    correct_score: Points  # from which an answer counts as correct
    same_family: bool = False  # as the system's: it may favour its own kind
    simulated: bool = False  # no LLM has judged anything
    validity_sha256: Sha256 | None = None  # of its validity card


class ClaimedScore(_Part):
    """A score as the submission's author has it. It is computed again by whoever reads it, and never shown."""

    condition: Word
    slice: Word  # "all", or a question type
    metric: Word
    judged: bool  # made from the judge's scores
    value: float
    low: float | None
    high: float | None
    n: Count
    recordings: Count
    coverage: Annotated[float, Field(ge=0, le=1)]


class Environment(_Part):
    """Versions and hardware; no host name, no path."""

    python: Word | None = None
    platform: Word | None = None
    cpus: Count | None = None
    gpus: Annotated[tuple[Word, ...], Field(max_length=64)] = ()
    packages: Annotated[dict[Word, Word | None], Field(max_length=200)] = Field(default_factory=dict)


class Usage(_Part):
    """What it took."""

    wall_s: Amount | None = None
    items_per_second: Amount | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    audio_seconds: Amount | None = None
    audio_seconds_heard: Amount | None = None
    judge_calls: Count | None = None
    judge_input_tokens: Count | None = None
    judge_output_tokens: Count | None = None
    money: Amount | None = None  # of the judge's calls
    currency: Word | None = None


class Submission(_Part):
    """submission.json."""

    schema_version: Literal[1]
    system: System
    dataset: Dataset
    generation: Generation
    predictions: FileFacts
    judgements: FileFacts
    judge: JudgeFacts | None = None  # None: label metrics alone
    scores: Annotated[tuple[ClaimedScore, ...], Field(max_length=10_000)]
    environment: Environment = Environment()
    usage: Usage = Usage()
    note: Sentence | None = None

    @property
    def conditions(self) -> tuple[str, ...]:
        """The condition that is ranked, then those beside it."""
        return (self.generation.condition, *self.generation.others)


class Line(_Part):
    """What both kinds of line have."""

    item_id: Name
    condition: Word


class PredictionLine(Line):
    """One line of predictions.jsonl."""

    answer: Annotated[str, StringConstraints(max_length=ANSWER_LIMIT)]
    status: AnswerStatus
    raw: Text | None = None  # null: the same as the answer, or not to be told
    reasoning: Text | None = None
    finish_reason: Word | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    audio_seconds: Amount = 0.0
    audio_seconds_heard: Amount = 0.0
    flags: Annotated[tuple[Word, ...], Field(max_length=20)] = ()

    @property
    def key(self) -> tuple[str, str]:
        return self.condition, self.item_id

    @model_validator(mode="after")
    def _says_what_its_status_says(self) -> PredictionLine:
        if self.status in ("empty", "error") and self.answer.strip():
            raise ValueError(f"an answer of status {self.status} with words")
        return self


class JudgementLine(Line):
    """One line of judgements.jsonl; whose it is stands in submission.json."""

    repeat: Annotated[int, Field(ge=0, le=99)] = 0
    key_sha256: Sha256  # of the judge, the item, the answer and the repeat: `fingerprint.judgement_key`
    answer_sha256: Sha256
    status: JudgeStatus
    score: Points | None
    raw: Text | None = None
    reason: Text | None = None
    members: Annotated[dict[Word, Points | None], Field(max_length=100)] = Field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int]:
        return self.condition, self.item_id, self.repeat

    @model_validator(mode="after")
    def _scores_what_has_a_score(self) -> JudgementLine:
        if (self.score is None) == (self.status in SCORED):
            raise ValueError(f"a judgement of status {self.status} with score {self.score}")
        return self


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of submission.json; those of the two kinds of line stand among its `$defs`."""
    models: list[tuple[type[BaseModel], Literal["validation"]]] = [
        (Submission, "validation"),
        (PredictionLine, "validation"),
        (JudgementLine, "validation"),
    ]
    _, made = models_json_schema(models)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A submission to a cpbench board, version {SCHEMA_VERSION}",
        "$ref": "#/$defs/Submission",
        "$defs": made["$defs"],
    }
