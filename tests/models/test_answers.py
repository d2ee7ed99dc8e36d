from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from cpbench.errors import UserError
from cpbench.models import load_model
from cpbench.records import Request, Turn


def turns(*places: tuple[str, str, str]) -> list[Turn]:
    return [Turn(Request(item_id, task, condition, "?", ()), ()) for task, item_id, condition in places]


def model(folder: Path, *rows: object, **options: str):  # type: ignore[no-untyped-def]
    file = folder / "gpt.jsonl"
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return load_model(f"answers:{file}", options)


def test_answers_are_those_of_the_file(tmp_path: Path) -> None:
    answers = model(tmp_path, {"item_id": "a", "answer": "sad"}, "", {"item_id": "b", "answer": "生气"})
    said = list(answers.answer(turns(("t", "b", "audio"), ("t", "a", "audio"))))
    assert [(p.item_id, p.answer, p.status, p.audio_seconds_heard) for p in said] == [
        ("b", "生气", "ok", 0.0),
        ("a", "sad", "ok", 0.0),
    ]


def test_an_item_without_an_answer_is_an_error_and_an_empty_answer_is_empty(tmp_path: Path) -> None:
    answers = model(tmp_path, {"item_id": "a", "answer": " "})
    empty, missing = answers.answer(turns(("t", "a", "audio"), ("t", "b", "audio")))
    assert empty.status == "empty"
    assert missing.status == "error" and "no answer" in missing.error and "gpt.jsonl" in missing.error


def test_an_answer_under_one_condition_is_none_under_another(tmp_path: Path) -> None:
    answers = model(tmp_path, {"item_id": "a", "answer": "x"}, {"item_id": "a", "answer": "y", "condition": "silence"})
    said = list(answers.answer(turns(("t", "a", "audio"), ("t", "a", "silence"), ("t", "a", "flat"))))
    assert [(p.status, p.answer) for p in said] == [("ok", "x"), ("ok", "y"), ("error", "")]


def test_two_tasks_with_one_id_need_the_task(tmp_path: Path) -> None:
    named = [{"item_id": "a", "answer": task, "task": task} for task in ("s", "t")]
    both = turns(("s", "a", "audio"), ("t", "a", "audio"))
    assert [p.answer for p in model(tmp_path, *named).answer(both)] == ["s", "t"]
    with pytest.raises(UserError, match=r"s and t both have an item 'a'\n.*task"):
        list(model(tmp_path, {"item_id": "a", "answer": "x"}).answer(both))


def test_what_nothing_asked_for_can_be_counted(tmp_path: Path) -> None:
    answers = model(tmp_path, *({"item_id": item_id, "answer": "x"} for item_id in "abc"))
    list(answers.answer(turns(("t", "b", "audio"), ("t", "z", "audio"))))
    assert answers.unused == ["a", "c"]


def test_the_card_knows_the_bytes_of_the_file(tmp_path: Path) -> None:
    card = model(tmp_path, {"item_id": "a", "answer": "x"}, name="GPT", family="gpt").card
    assert card.revision == hashlib.sha256((tmp_path / "gpt.jsonl").read_bytes()).hexdigest()
    assert (card.name, card.family, card.sampling_rate, card.kind) == ("GPT", "gpt", None, "end_to_end")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"item_id": "b", "answr": "x"}, "line 2: unknown key 'answr' .did you mean 'answer'"),
        ({"item_id": "b"}, "line 2: no answer"),
        ({"answer": "b"}, "line 2: no item_id"),
        ({"item_id": 7, "answer": "x"}, "line 2: item_id is not text: 7"),
        ({"item_id": "b", "answer": None}, "line 2: answer is not text"),
        ("[]", "line 2: not a JSON object"),
        ('{"item_id": "b"', "line 2: not JSON"),
        ({"item_id": "a", "answer": "y"}, "line 2: line 1 answers this item too: 'a'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(model(tmp_path, {"item_id": "a", "answer": "x"}, line).answer(turns(("t", "a", "audio"))))


def test_a_missing_and_an_empty_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"No such file.*nowhere\.jsonl"):
        load_model(f"answers:{tmp_path}/nowhere.jsonl").card.revision  # noqa: B018
    with pytest.raises(UserError, match=r"no answers in"):
        model(tmp_path).card.revision  # noqa: B018
