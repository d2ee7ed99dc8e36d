"""Boards and submissions made in memory: what the leaderboard's tests are made of.

They are written by the schema alone, not by `submit`: a board takes whatever `check` accepts.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path

from cpbench.fingerprint import canonical, text_sha256
from cpbench.leaderboard.binding import key_of
from cpbench.leaderboard.board import Board, add, add_datasets, init_board
from cpbench.leaderboard.check import claimed
from cpbench.leaderboard.datasets import DatasetCard, describe
from cpbench.leaderboard.history import Author
from cpbench.leaderboard.parsing import facts_of
from cpbench.leaderboard.rescored import join, rescore
from cpbench.leaderboard.schema import (
    Dataset,
    Generation,
    JudgeFacts,
    JudgementLine,
    PredictionLine,
    Submission,
    System,
    Usage,
)
from cpbench.records import Clip, Item, Rights, Task

FEELINGS = ("happy", "sad", "angry", "neutral")
JUDGE = JudgeFacts(judge_id="judge-of-tests", name="a judge", correct_score=60.0)
OPEN = Rights("CC0-1.0", audio_in_report=True, text_in_report=True, third_party_api=True)
BY = Author("tests", when="2026-01-01T00:00:00Z")


def card(name="feelings", *, items=40, recordings=20, labels=True, rights=OPEN, **task) -> DatasetCard:
    """A set: every item asks for the feeling of one of the recordings, in turns of the types DE and CE."""
    made = [
        Item(
            id=f"i{at:05}",
            task=name,
            clips=(
                Clip("", text_sha256(f"{name} {at}"), 2.0, f"rec{at % recordings:04}", transcript=f"secret words {at}"),
            ),
            question=f"How does the voice of clip {at} sound?",
            references=(f"The voice of clip {at} sounds {FEELINGS[at % 4]} to me.",),
            type=("DE", "CE")[at % 2],
            label=FEELINGS[at % 4] if labels else None,
            options=FEELINGS if labels else (),
        )
        for at in range(items)
    ]
    metrics = ("accuracy", "macro_f1") if labels else ("overlap_score",)
    return describe(Task(name, "1", "nobody, 2026", metrics, rights, **task), made)


@dataclass(frozen=True)
class Makes:
    """A submission to be: how good its answers are, and what it says of itself."""

    name: str = "system"
    right: float = 0.8  # share of right answers
    seed: int = 0
    kind: str = "end_to_end"
    judged: bool = False
    bias: float = 0.0  # points that its judgements are better than the judge would give
    others: dict = field(default_factory=dict)  # condition -> share of right answers
    system: dict = field(default_factory=dict)
    generation: dict = field(default_factory=dict)
    answers: dict | None = None  # item id -> answer, instead of drawn ones
    note: str | None = None
    usage: Usage = field(default_factory=Usage)
    judge: JudgeFacts = JUDGE

    def lines(self, dataset: DatasetCard) -> list[PredictionLine]:
        """Its answers, condition by condition."""
        found = []
        for condition, right in sorted({"audio": self.right, **self.others}.items()):
            draw = random.Random(f"{self.name} {self.seed} {condition}")
            for item in dataset.items:
                answer = self._answer(item, draw.random() < right) if self.answers is None else self.answers[item.id]
                status = "ok" if answer.strip() else "empty"
                found.append(PredictionLine(item_id=item.id, condition=condition, answer=answer, status=status))
        return found

    def _answer(self, item: Item, right: bool) -> str:
        at = int(item.id[1:])
        return f"The speaker is {FEELINGS[at % 4 if right else (at + 1) % 4]}."

    def judgements(self, dataset: DatasetCard, lines: list[PredictionLine]) -> list[JudgementLine]:
        """What the judge of these tests says: 100 for the right feeling, else 0; and `bias` more."""
        found = []
        for line in lines:
            right = FEELINGS[int(line.item_id[1:]) % 4] in line.answer
            score = 0.0 if line.status == "empty" else min(100.0, 100.0 * right + self.bias)
            sha = text_sha256(line.answer)
            key = key_of(self.judge.judge_id, dataset.lines[line.item_id], sha, 0)
            status = "rule_empty" if line.status == "empty" else "ok"
            said = {"item_id": line.item_id, "condition": line.condition, "status": status, "score": score}
            found.append(JudgementLine(**said, key_sha256=key, answer_sha256=sha))
        return found


def files(dataset: DatasetCard, makes: Makes) -> dict[str, bytes]:
    """A submission's three files."""
    lines = makes.lines(dataset)
    judged = makes.judgements(dataset, lines) if makes.judged else []
    held = {"predictions.jsonl": _dumped(lines), "judgements.jsonl": _dumped(judged)}
    task = dataset.task
    draft = Submission(
        schema_version=1,
        system=System(**{"name": makes.name, "kind": makes.kind, "trained_on_eval": "no", **makes.system}),
        dataset=Dataset(
            name=task.name,
            version=task.version,
            split=dataset.split,
            fingerprint=dataset.fingerprint,
            items=len(dataset.items),
            recordings=dataset.recordings,
        ),
        generation=Generation(
            **{
                "condition": "audio",
                "others": tuple(sorted(makes.others)),
                "prompt_sha256": dataset.prompts_sha256,
                **makes.generation,
            }
        ),
        predictions=facts_of(held["predictions.jsonl"]),
        judgements=facts_of(held["judgements.jsonl"]),
        judge=makes.judge if makes.judged else None,
        scores=(),
        usage=makes.usage,
        note=makes.note,
    )
    scores = rescore(join(draft, dataset, lines, judged), dataset, makes.judge.judge_id if makes.judged else None)
    whole = draft.model_copy(update={"scores": tuple(map(claimed, scores))})
    return {"submission.json": canonical(whole.model_dump(mode="json")) + b"\n", **held}


def write(folder: Path, dataset: DatasetCard, makes: Makes) -> Path:
    """Write a submission's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files(dataset, makes).items():
        (folder / name).write_bytes(data)
    return folder


def board(folder: Path, *cards: DatasetCard, title="A board of tests") -> Board:
    """A new board that knows these sets."""
    made = init_board(folder, title=title)
    add_datasets(made, cards)
    return made


def fill(made: Board, dataset: DatasetCard, *entries: Makes, by: Author = BY) -> Board:
    """Add submissions, a minute apart."""
    for makes in entries:
        place = made.folder.parent / "incoming" / str(len(made.entries))
        minute = f"2026-01-01T00:{len(made.entries):02}:00Z"
        made = add(made, write(place, dataset, makes), Author(by.by, by.why, minute)).board
    return made


def _dumped(lines) -> bytes:
    return b"".join(canonical(line.model_dump(mode="json", exclude_defaults=True)) + b"\n" for line in lines)
