"""Sets from the Hub, of snapshots in a cache of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from datasets import Audio, Dataset, Features, Value

from cpbench.errors import UserError
from cpbench.tasks import data_state, hub_sources, list_tasks, load_tasks

from .conftest import COMMIT, wav_bytes

Snapshot = Callable[[str], Path]
CPQA = "MERaLiON/CPQA-Evaluation-Set"


def sound(name: str) -> dict[str, Any]:
    return {"bytes": wav_bytes(name), "path": f"{name}.wav"}


def flat(rows: Sequence[dict[str, Any]]) -> Dataset:
    """Rows of context, instruction and answer, and what else they hold, with audio as the Hub has it."""
    return Dataset.from_list(list(rows)).cast_column("context", Audio())


def nested(rows: Sequence[dict[str, Any]]) -> Dataset:
    text = {"text": Value("string")}
    attributes = {"question_type": Value("string"), "url": Value("string")}
    features = {"context": {"audio": Audio()}, "instruction": text, "answer": text, "other_attributes": attributes}
    return Dataset.from_list(list(rows)).cast(Features(features))


def test_cpqa_of_two_saved_folders_in_both_row_shapes(in_hub_cache: Snapshot) -> None:
    snapshot = in_hub_cache(CPQA)
    flat(
        [
            {"context": sound("dQw4w9WgXcQ_030_075"), "instruction": "What is it about?", "answer": "A bus."},
            {"context": sound("dQw4w9WgXcQ_090_120"), "instruction": "How does she feel?", "answer": "Sad."},
            {"context": sound("plain"), "instruction": "Who speaks?", "answer": "A man."},
        ]
    ).save_to_disk(snapshot / "CPQA_human_annotated")
    nested(
        [
            {
                "context": {"audio": sound("clip-7")},
                "instruction": {"text": "How many people speak?"},
                "answer": {"text": "Two."},
                "other_attributes": {"question_type": "DS", "url": "https://www.youtube.com/watch?v=abcdefghi_1&t=9"},
            }
        ]
    ).save_to_disk(snapshot / "CPQA_llm_generated")
    (human, of_people), (llm, of_llm) = load_tasks(["cpqa"])
    assert (human.name, llm.name) == ("cpqa_human", "cpqa_llm")
    assert [item.recording for item in of_people[:2]] == ["dQw4w9WgXcQ", "dQw4w9WgXcQ"]
    assert [item.origin["recording_from"] for item in of_people] == ["file name", "file name", "clip"]
    assert of_people[2].recording == of_people[2].clips[0].sha256
    assert human.revision == llm.revision == COMMIT
    (two,) = of_llm
    assert (two.type, two.references, two.recording) == ("DS", ("Two.",), "abcdefghi_1")
    assert two.origin["recording_from"] == "column"
    assert (human.types_from, llm.types_from) == ("rules", "column")


def test_cpqa_whose_folders_do_not_say_which_part_they_are(in_hub_cache: Snapshot) -> None:
    snapshot = in_hub_cache(CPQA)
    data = flat([{"context": sound("a"), "instruction": "What?", "answer": "That."}])
    data.save_to_disk(snapshot / "part1")
    data.save_to_disk(snapshot / "part2")
    with pytest.raises(UserError, match=r"part1.*part2"):
        load_tasks(["cpqa_human"])
    ((task, items),) = load_tasks(["cpqa_human"], data_dirs={"cpqa_human": str(snapshot / "part1")})
    assert (len(items), task.revision) == (1, None)


def test_a_group_s_folder_serves_its_tasks(tmp_path: Path) -> None:
    for part in ("human", "llm"):
        flat([{"context": sound(part), "instruction": "What?", "answer": part}]).save_to_disk(tmp_path / part)
    (_, (human,)), (_, (llm,)) = load_tasks(["cpqa"], data_dirs={"cpqa": str(tmp_path)})
    assert (human.references, llm.references) == (("human",), ("llm",))


def test_cpqa_types_from_a_sidecar(tmp_path: Path) -> None:
    folder = tmp_path / "human"
    flat([{"context": sound("a"), "instruction": "What?", "answer": "That.", "id": "7"}]).save_to_disk(folder)
    (folder / "types.jsonl").write_text('{"id": "7", "type": "CG"}\n')
    ((task, (item,)),) = load_tasks(["cpqa_human"], data_dirs={"cpqa_human": str(folder)})
    assert (item.type, task.types_from) == ("CG", "sidecar")


@pytest.mark.parametrize(
    ("task", "repo", "name", "recording"),
    [
        ("emotion_iemocap", "AudioLLMs/iemocap_emotion_recognition", "Ses01F_script01_1_F000", "Ses01F_script01_1"),
        ("emotion_meld", "AudioLLMs/meld_emotion_test", "dia12_utt3", "dia12"),
    ],
)
def test_audiobench_rows_are_asked_with_one_wording(
    task: str, repo: str, name: str, recording: str, in_hub_cache: Snapshot
) -> None:
    snapshot = in_hub_cache(repo)
    (snapshot / "data").mkdir()
    flat(
        [
            {
                "context": sound(name),
                "instruction": "Guess: sad, anger or joy?",
                "answer": "It sounds like the speaker is anger.",
            },
            {"context": sound("x"), "instruction": "How do they feel?", "answer": "The emotion is surprise."},
        ]
    ).to_parquet(snapshot / "data" / "test-00000-of-00001.parquet")
    ((found, items),) = load_tasks([task])
    assert [item.label for item in items] == ["anger", "surprise"]
    assert len({item.question for item in items}) == 1
    assert items[0].recording == recording
    assert items[1].origin["recording_from"] == "clip"
    assert items[0].references == ("It sounds like the speaker is anger.",)
    assert found.revision == COMMIT


def test_a_row_whose_answer_names_no_label_is_named(in_hub_cache: Snapshot) -> None:
    snapshot = in_hub_cache("AudioLLMs/meld_emotion_test")
    flat([{"context": sound("x"), "instruction": "?", "answer": "Hard to say."}]).to_parquet(snapshot / "test.parquet")
    with pytest.raises(UserError, match=r"no label in the answer.*Hard to say"):
        load_tasks(["emotion_meld"])


def paradox(id: str, **more: Any) -> dict[str, Any]:
    choices = {f"choice_{letter}": word for letter, word in zip("abcd", ("happy", "sad", "angry", "calm"), strict=True)}
    row = {"id": id, "audio": sound(id), "question": "How does the voice sound?", "task_name": "emotion", **choices}
    return {**row, **more}


@pytest.mark.parametrize(
    ("answer", "adversarial"),
    [
        ("sad", "happy"),
        ("B", "A"),
        ("choice_b", "choice_a"),
        ("(b)", '["happy"]'),
        ("Sad", '{"text": "happy", "voice": "sad"}'),
    ],
)
def test_voxparadox_names_answer_and_lure_in_any_of_its_spellings(
    answer: str, adversarial: str, in_hub_cache: Snapshot
) -> None:
    snapshot = in_hub_cache("IHP-Lab/VoxParadox")
    Dataset.from_list([paradox("1", answer_gt=answer, adversarial_labels=adversarial)]).cast_column(
        "audio", Audio()
    ).to_parquet(snapshot / "test.parquet")
    ((task, (item,)),) = load_tasks(["voxparadox"])
    assert (item.label, item.lure, item.options) == ("sad", "happy", ("happy", "sad", "angry", "calm"))
    assert item.prompt.startswith("How does the voice sound?\nA. happy\nB. sad\n")
    assert "lure_rate" in task.metrics


def test_voxparadox_without_a_lure_or_with_a_wrong_answer(in_hub_cache: Snapshot) -> None:
    snapshot = in_hub_cache("IHP-Lab/VoxParadox")
    rows = [
        paradox("1", answer_gt="sad", adversarial_labels="female"),
        paradox("2", answer_gt="bored", adversarial_labels="sad"),
    ]
    Dataset.from_list(rows[:1]).cast_column("audio", Audio()).to_parquet(snapshot / "test.parquet")
    ((_, (item,)),) = load_tasks(["voxparadox"])
    assert item.lure is None
    Dataset.from_list(rows).cast_column("audio", Audio()).to_parquet(snapshot / "test.parquet")
    with pytest.raises(UserError, match="the answer of 2 is none of its choices: 'bored'"):
        load_tasks(["voxparadox"])


def test_a_set_that_is_not_there_names_both_ways_to_mend(in_hub_cache: Snapshot) -> None:
    for task in ("cpqa_human", "voxparadox"):
        with pytest.raises(UserError) as caught:
            load_tasks([task])
        assert f"cpbench data fetch {task}" in str(caught.value)
        assert f"--data-dir {task}=DIR" in str(caught.value)


def test_states_and_sources(in_hub_cache: Snapshot, tmp_path: Path) -> None:
    cards = {card.name: card for card in list_tasks()}
    in_hub_cache("IHP-Lab/VoxParadox")
    assert data_state(cards["voxparadox"]).state == "cached"
    assert data_state(cards["voxparadox"]).revision == COMMIT
    assert data_state(cards["emotion_meld"]).state == "needs fetch"
    assert data_state(cards["emotion_emodb"]).state == "needs --data-dir"
    assert data_state(cards["emotion_emodb"], {"": str(tmp_path)}).state == "given"
    assert data_state(cards["demo_cpqa"], {"": str(tmp_path)}).state == "packaged"
    assert [(source.task, source.repo) for source in hub_sources(["cpqa", "emotion_emodb"])] == [
        ("cpqa_human", CPQA),
        ("cpqa_llm", CPQA),
    ]
    assert {source.repo for source in hub_sources()} >= {CPQA, "IHP-Lab/VoxParadox"}
