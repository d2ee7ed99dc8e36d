"""What flows through cpbench: every record that passes from one room to another.

    Clip → Item → Request → Turn → Prediction → Judgement → Outcome → Estimate → Score → Results

Records are frozen. Those that are written to disk (`Item`, `Prediction`, `Judgement`, `Annotation`) are one line of
JSON each, with exactly these names. Records of one room only live in that room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from cpbench.labels import split_reasoning

if TYPE_CHECKING:
    import numpy as np

QType = Literal["C", "DE", "DG", "DS", "CE", "CG", "CS"]
QTYPES: tuple[QType, ...] = ("C", "DE", "DG", "DS", "CE", "CG", "CS")
AnswerStatus = Literal["ok", "empty", "truncated", "refused", "error"]
JudgeStatus = Literal[
    "ok",
    "rule_empty",
    "parse_error",
    "out_of_range",
    "truncated",
    "refusal",
    "content_filter",
    "api_error",
    "expired",
]
SCORED: frozenset[JudgeStatus] = frozenset({"ok", "rule_empty"})
Effect = Callable[["np.ndarray", int], "np.ndarray"]
"""A change of the waveform, (wave, sampling_rate) -> wave: a frozen dataclass, whose `repr` names and orders it."""


@dataclass(frozen=True)
class Tag:
    """How a voice sounds between two times, and who says so."""

    start: float  # seconds
    end: float
    source: str  # "gold", or annotator@revision
    emotion: Mapping[str, float]  # label -> probability
    valence: float | None = None  # -1 to 1, as arousal and dominance
    arousal: float | None = None
    dominance: float | None = None
    text: str | None = None  # the words in between
    scale: tuple[float, float] | None = None  # the source's own range of the three, before it was brought to -1 to 1


@dataclass(frozen=True)
class Clip:
    """One audio file, known by its bytes; holds no samples."""

    path: str
    sha256: str | None  # None: unreadable; decoding will say why
    seconds: float | None = field(compare=False)
    recording: str = field(compare=False)  # the unit of statistical independence that the clip was cut from
    speaker: str | None = field(default=None, compare=False)
    gender: str | None = field(default=None, compare=False)
    transcript: str | None = field(default=None, compare=False)
    tags: tuple[Tag, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Item:
    """One question about one clip (or, rarely, several), to evaluate on or to train on; one line of items.jsonl."""

    id: str
    task: str
    clips: tuple[Clip, ...]
    question: str
    references: tuple[str, ...]  # references[0] is the training target
    prompt: str = ""  # the question as the task words it for a model; "": the question itself
    language: str | None = None  # the answer's
    type: QType | None = None
    label: str | None = None
    options: tuple[str, ...] = ()  # the labels, or the choices, of which one is right
    lure: str | None = None  # the option that the words alone suggest
    words: str | None = None  # the sentence, where several recordings say the same words (EmoDB, CREMA-D)
    split: str = "test"
    origin: Mapping[str, str] = field(default_factory=dict, compare=False)  # generator, annotator, prompt_hash, license

    @property
    def recording(self) -> str:
        """The recordings of all clips of this item: the cluster it is counted in."""
        return "+".join(dict.fromkeys(clip.recording for clip in self.clips))


@dataclass(frozen=True)
class Generation:
    """How an answer is generated; greedy unless asked otherwise."""

    max_new_tokens: int = 64
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Rights:
    """What may be done with a task's audio and text; unknown means no."""

    license: str = "unknown"
    audio_in_report: bool = False
    text_in_report: bool = False
    third_party_api: bool = False


@dataclass(frozen=True)
class Task:
    """What a task YAML says, without its items."""

    name: str
    version: str
    citation: str
    metrics: tuple[str, ...]
    rights: Rights = Rights()
    generation: Generation = Generation()
    revision: str | None = None  # of the data set on the Hub
    synthetic: bool = False
    judge_prompt: str | None = None
    types_from: Literal["column", "sidecar", "rules", "none"] = "none"
    fingerprint: str | None = None  # of the items: fingerprint.dataset_fingerprint
    repository: str | None = None  # the data set's id on the Hub, where it has one


@dataclass(frozen=True)
class Sound:
    """A clip and what is done to it; equal sounds are decoded once and encoded once."""

    clip: Clip
    effects: tuple[Effect, ...] = ()

    @property
    def seconds(self) -> float | None:
        """How long the whole clip plays; None: unknown. What is heard is held against it.

        An effect that plays all of it in another time has `lasting(before) -> after`, in seconds.
        """
        seconds = self.clip.seconds
        for effect in self.effects:
            if seconds is not None and (lasting := getattr(effect, "lasting", None)) is not None:
                seconds = lasting(seconds)
        return seconds


IN_WORDS = 'Transcript: "{transcript}"\n{text}'


@dataclass(frozen=True)
class Request:
    """What a model is asked, in a run and in training; knows neither reference nor label."""

    item_id: str
    task: str
    condition: str
    text: str
    sounds: tuple[Sound, ...]  # (): words alone
    generation: Generation = Generation()
    flags: tuple[str, ...] = ()  # "leaked", "trained_on", ...
    played: tuple[str, ...] = ()  # sha256 of the clips that are played instead of the item's own (`shuffled`)
    told: tuple[str, ...] = ()  # the emotions that tags in the text name, in order of time (`tags`)

    @property
    def key(self) -> str:
        return f"{self.task}/{self.item_id}/{self.condition}"

    def flagged(self, flag: str) -> Request:
        """The same request with one more flag."""
        return self if flag in self.flags else replace(self, flags=(*self.flags, flag))

    def answered(
        self,
        raw: str,
        *,
        heard: float,
        status: AnswerStatus = "ok",
        finish_reason: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
    ) -> Prediction:
        """The model's words as a prediction. `heard`: seconds of audio that reached the model, always stated.

        Reasoning is split off; an unclosed thought makes the status `truncated`, and no words make it `empty`.
        """
        reasoning, answer, found = split_reasoning(raw)
        return Prediction(
            self.item_id,
            self.task,
            self.condition,
            raw,
            reasoning,
            answer,
            found if status == "ok" else status,
            finish_reason=finish_reason,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            audio_seconds=sum(sound.seconds or 0.0 for sound in self.sounds),
            audio_seconds_heard=heard,
            flags=self.flags,
            played=self.played,
            told=self.told,
        )

    def in_words(self, transcript: str) -> Request:
        """The same question with the words of its sounds in their place: the condition `transcript`, a cascade."""
        return replace(self, text=IN_WORDS.format(transcript=transcript, text=self.text), sounds=())

    def failed(self, error: str) -> Prediction:
        """A prediction that could not be made; it is never a score."""
        return Prediction(
            self.item_id,
            self.task,
            self.condition,
            "",
            None,
            "",
            "error",
            error,
            flags=self.flags,
            played=self.played,
            told=self.told,
        )


@dataclass(frozen=True)
class Heard:
    """A decoded sound; the only record that holds samples."""

    sound: Sound
    wave: np.ndarray = field(compare=False, repr=False)  # float32 (T,), mono, in [-1, 1]
    sampling_rate: int = 16000

    @property
    def seconds(self) -> float:
        return len(self.wave) / self.sampling_rate


@dataclass(frozen=True)
class Turn:
    """What a model receives; lives as long as its batch."""

    request: Request
    heard: tuple[Heard, ...]


@dataclass(frozen=True)
class Prediction:
    """One line of predictions.jsonl; made only by `Request.answered` and `Request.failed`."""

    item_id: str
    task: str
    condition: str
    raw: str
    reasoning: str | None
    answer: str
    status: AnswerStatus
    error: str | None = None
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    audio_seconds: float = 0.0
    audio_seconds_heard: float = 0.0
    flags: tuple[str, ...] = ()
    played: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The key of the request that it answers."""
        return f"{self.task}/{self.item_id}/{self.condition}"


@dataclass(frozen=True)
class Word:
    """A word and when it is said."""

    text: str
    start: float  # seconds
    end: float


@dataclass(frozen=True)
class Annotation:
    """What an annotator says of one clip; one line of annotations.jsonl."""

    key: str
    annotator: str
    tags: tuple[Tag, ...] = ()
    transcript: str | None = None
    words: tuple[Word, ...] = ()  # where the annotator gives their times
    error: str | None = None  # why it says nothing of this clip


@dataclass(frozen=True)
class Call:
    """One call of a text LLM, as paid for; never a secret."""

    model_requested: str
    model_resolved: str | None
    params_sent: Mapping[str, Any]
    usage: Mapping[str, int]
    time: str
    retries: int = 0
    latency_s: float = 0.0
    request_id: str | None = None
    system_fingerprint: str | None = None
    params_rejected: tuple[str, ...] = ()  # asked for and not taken by the endpoint, so not sent


@dataclass(frozen=True)
class Case:
    """What a judge is asked: a prediction, a probe and a human's answer look alike."""

    item: Item
    answer: str
    condition: str = "audio"
    repeat: int = 0


@dataclass(frozen=True)
class Judgement:
    """One line of judgements.jsonl. Only the statuses of SCORED carry a score."""

    key: str
    item_id: str
    task: str
    condition: str
    answer_sha256: str
    judge_id: str
    status: JudgeStatus
    score: float | None  # 0 to 100 whatever the prompt's scale; the judge's own words are in raw
    raw: str | None = None
    reason: str | None = None
    repeat: int = 0
    members: Mapping[str, float | None] = field(default_factory=dict)
    calls: tuple[Call, ...] = ()

    def __post_init__(self) -> None:
        if (self.score is None) == (self.status in SCORED):
            raise ValueError(f"a judgement of status {self.status} with score {self.score}")


@dataclass(frozen=True)
class Outcome:
    """An item, its answer, one judge's judgements of it: the one join; all that follows takes these."""

    item: Item
    prediction: Prediction
    judgements: tuple[Judgement, ...] = ()  # its repeats

    @property
    def score(self) -> float | None:
        scored = [judgement.score for judgement in self.judgements if judgement.score is not None]
        return sum(scored) / len(scored) if scored else None


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, clustered by recording."""

    value: float
    low: float | None  # None: fewer than two clusters, so there is no interval
    high: float | None
    se: float | None
    n: int  # items
    clusters: int  # recordings
    method: str


@dataclass(frozen=True)
class Score:
    """One number of a report."""

    task: str
    condition: str
    slice: str  # "all", or a question type
    metric: str
    judge_id: str | None
    estimate: Estimate
    coverage: float = 1.0  # share of the items that have a usable answer (and judgement)
    worst: float | None = None  # the value with the missing at the bottom, and at the top
    best: float | None = None
    leaked: bool = False


@dataclass(frozen=True)
class Difference:
    """Two columns of outcomes on their common items: a minus b."""

    task: str
    slice: str  # "all", or a question type
    metric: str
    judge_id: str | None
    a: str
    b: str
    value_a: float  # on the common items
    value_b: float
    estimate: Estimate  # of value_a - value_b
    p: float | None  # two-sided; None: one recording
    p_least: float | None  # the smallest p that the recordings which differ allow; None: one recording
    p_holm: float | None  # corrected for all pairs that were compared beside it
    smallest: float | None  # the smallest true difference that this set shows with a power of 80 %
    n_lost: int = 0  # items that only one side has, and those without a usable answer on either side
    leaked: bool = False


@dataclass(frozen=True)
class ModelCard:
    """What a model is and what it can take."""

    name: str
    family: str
    revision: str | None = None
    sampling_rate: int | None = 16000  # None: wants no audio
    window: float | None = None  # seconds of one clip that it can hear at once; None: no bound
    max_clips: int = 1
    kind: Literal["end_to_end", "cascade", "null"] = "end_to_end"
    third_party: bool = False  # sends the items to somebody else's machine
    condition: str = "audio"  # what it was made for: an explicit checkpoint names its tags here
    tag_template: str | None = None
    trained_on: frozenset[str] = frozenset()  # sha256 of the clips in its training data, from checkpoint.json
    details: Mapping[str, Any] = field(
        default_factory=dict
    )  # dtype, device, class, generation config: for the manifest


@dataclass(frozen=True)
class JudgeSheet:
    """Who a judge is, for whoever reads its scores elsewhere."""

    name: str
    models: tuple[str, ...] = ()  # its members as requested, "openai/gpt-4o"; (): none, it is simulated
    prompt: str | None = None  # the rubric's system text and template
    aggregate: Literal["mean", "median"] | None = None  # of the members' scores; None: one member


@dataclass(frozen=True)
class Results:
    """What results.json, the terminal, the page, the exports and the board are made from."""

    run: str
    model: ModelCard
    tasks: tuple[Task, ...]
    scores: tuple[Score, ...]
    judges: Mapping[str, str]  # judge_id -> validity card
    usage: Mapping[str, float] = field(default_factory=dict)  # seconds, items a second, tokens, money
    warnings: tuple[str, ...] = ()
    baselines: Mapping[str, tuple[Score, ...]] = field(default_factory=dict)  # what the null baselines reach
    sheets: Mapping[str, JudgeSheet] = field(default_factory=dict)  # judge_id -> who it is
    time: str | None = None  # when the last answer came, ISO 8601 in UTC


@dataclass(frozen=True)
class HearingCheck:
    """Whether the audio reaches the model; differences are between next-token scores."""

    outcome: Literal["heard", "deaf", "not_shown", "not_applicable"]
    reason: str
    clips: float | None = None  # difference between two clips
    silence: float | None = None  # to silence of the same length
    repeat: float | None = None  # to the same clip again: the yardstick


@dataclass(frozen=True)
class Setting:
    """What conditions may know besides the items."""

    seed: int = 0
    tag_template: str | None = None
    paraphrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    annotators: Mapping[str, str] = field(default_factory=dict)  # spec -> the source that its tags name
    trained_on: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RunConfig:
    """run.yaml, and the only argument of `evaluate`; another one in the same folder is refused."""

    model: str
    tasks: tuple[str, ...]
    judges: tuple[str, ...] = ()
    judge_prompt: str | None = None  # a packaged one, or a file; None: the tasks' own
    conditions: tuple[str, ...] = ()  # (): the model's own
    model_options: Mapping[str, str] = field(default_factory=dict)
    judge_options: Mapping[str, str] = field(default_factory=dict)
    data_dirs: Mapping[str, str] = field(default_factory=dict)  # task -> folder; "": for every task
    out: str | None = None
    limit: int | None = None
    shard: tuple[int, int] = (0, 1)  # this one, of how many
    asr: str | None = None
    paraphrases: str | None = None
    seed: int = 0
    strict: bool = False
    hearing_check: bool = True
    third_party_ok: bool = False
