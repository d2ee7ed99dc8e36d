"""Our tasks as lm-eval has them, and back."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lm_eval.tasks import TaskManager
from lm_eval.utils import handle_non_serializable

from cpbench.audio import clip
from cpbench.errors import UserError
from cpbench.records import Item, Tag
from cpbench.tasks import catalog, data_state, include_path, list_tasks, load_tasks
from cpbench.tasks.catalog import Card
from cpbench.tasks.docs import Audio, Documents, built, document, item_of, process_results
from cpbench.tasks.folders import emotion_item

from .conftest import EMODB

NAMES = {
    "cpqa_human",
    "cpqa_llm",
    "demo_cpqa",
    "demo_emotion",
    "emotion_crema_d",
    "emotion_emodb",
    "emotion_iemocap",
    "emotion_meld",
    "emotion_msp_podcast",
    "emotion_ravdess",
    "voxparadox",
}


def rich_item(speak: Any) -> Item:
    spoken = clip(speak("a.wav"), recording="r", speaker="s", gender="female", transcript="Ja.")
    tagged = emotion_item(
        list_tasks()[0], spoken, id="1", label="sad", tag=Tag(0, 0.2, "gold", {"sad": 0.7, "glad": 0.3}, 0.1)
    )
    return Item(
        "1",
        "t",
        (tagged.clips[0], clip(speak("b.wav"))),
        "Who?",
        ("Ann.", "Bob."),
        prompt="Who is it?",
        language="en",
        type="CG",
        label="sad",
        options=("sad", "glad"),
        lure="glad",
        words="ja",
        split="dev",
        origin={"generator": "x"},
    )


def test_the_names_read_without_lm_eval_are_those_that_lm_eval_reads() -> None:
    assert catalog.names() == set(catalog.index())
    assert set(catalog.groups()) == {name for name, entry in catalog.index().items() if entry.kind.name == "GROUP"}


def test_lm_eval_lists_all_our_tasks_and_groups() -> None:
    manager = TaskManager(include_path=include_path(), include_defaults=False)
    assert set(manager.all_subtasks) == NAMES
    assert set(manager.all_groups) == {"cpqa", "demo"}
    assert {card.name for card in list_tasks()} == NAMES


@pytest.mark.parametrize("card", list_tasks(), ids=lambda card: card.name)
def test_lm_eval_builds_a_request_of_every_task_whose_data_are_here(card: Card) -> None:
    data_dirs = {"emotion_emodb": str(EMODB)} if EMODB.is_dir() else {}
    if data_state(card, data_dirs).state not in ("given", "packaged"):
        pytest.skip("its data are not on this machine")
    task = TaskManager(include_path=include_path(), include_defaults=False, metadata={"data_dirs": data_dirs}).load(
        [card.name]
    )["tasks"][card.name]
    task.build_all_requests(limit=3)
    for request in task.instances:
        text, how, media = request.args
        assert text == (item_of(request.doc).prompt or item_of(request.doc).question)
        assert how["max_gen_toks"] > 0 and how["until"] == []
        assert media["audio"][0]["array"].dtype == np.float32
        assert len(media["audio"][0]["array"]) > 1600


def test_an_item_survives_the_way_through_a_document(speak: Any) -> None:
    item = rich_item(speak)
    back = item_of(copy.deepcopy(document(item)))
    assert back == item
    assert [one.tags for one in back.clips] == [one.tags for one in item.clips]
    assert (back.clips[0].recording, back.clips[0].transcript, back.origin) == ("r", "Ja.", {"generator": "x"})


def test_a_document_holds_a_path_and_no_samples(speak: Any) -> None:
    item = rich_item(speak)
    doc = document(item)
    assert doc["text"] == "Who is it?"
    logged = json.dumps(doc, default=handle_non_serializable)
    assert len(logged) < 1500 and "a.wav" in logged
    assert doc["audio"][0]["path"] == item.clips[0].path
    assert doc["audio"][0]["sampling_rate"] == 16000
    assert doc["audio"][0]["array"].shape == (4000,)
    assert set(doc["audio"][0]) == {"path", "sampling_rate", "array"}


def test_a_split_is_read_as_far_as_it_is_asked_for(tmp_path: Path) -> None:
    read: list[str] = []

    def items() -> Any:
        for name in "abcd":
            read.append(name)
            yield Item(name, "t", (), "?", ("!",))

    split = Documents(items, task="t", folder=tmp_path)
    assert (split[0]["id"], read) == ("a", ["a"])
    assert (split[1]["id"], split[0]["id"], read) == ("b", "a", ["a", "b"])
    assert (len(split), read) == (4, list("abcd"))
    assert [doc["id"] for doc in split[1:3]] == ["b", "c"]
    assert split[-1]["id"] == "d"
    assert [doc["id"] for doc in split] == list("abcd")


def test_lm_eval_s_constructor_reads_one_item(tmp_path: Path, speak: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("03a01Fa", "03a01Wa", "03a01Nc"):
        speak(f"{name}.wav")
    task = built(next(card.yaml for card in list_tasks() if card.name == "emotion_emodb"), {"": str(tmp_path)})
    assert len(task.eval_docs._read) == 1


def test_items_of_one_id_and_no_items_are_refused(tmp_path: Path) -> None:
    twice = [Item("a", "t", (), "?", ("!",)), Item("a", "t", (), "!", ("!",))]
    for read in (len, list):
        with pytest.raises(UserError, match=r"2 items of .* have the id 'a'"):
            read(Documents(lambda: iter(twice), task="t", folder=tmp_path))
    with pytest.raises(UserError, match="no items in"):
        Documents(lambda: iter(()), task="t", folder=tmp_path)[0]


def test_lm_eval_s_evaluator_gets_the_metrics_that_apply(speak: Any) -> None:
    doc = document(rich_item(speak))
    right = process_results(doc, ["She sounds sad."])
    assert right == {"accuracy": 1.0, "unextractable": 0.0, "lure_rate": 0.0, "overlap_score": 100.0}
    lured = process_results(doc, ["glad"])
    assert (lured["accuracy"], lured["lure_rate"]) == (0.0, 1.0)
    without = process_results({**doc, "label": None, "options": (), "lure": None}, ["It is Ann."])
    assert without == {"overlap_score": 100.0}


def test_reasoning_is_removed_before_lm_eval_scores(speak: Any) -> None:
    scored = process_results(document(rich_item(speak)), ["<think>Could be glad.</think>sad"])
    assert scored["accuracy"] == 1.0


def test_audio_is_compared_by_its_clip(speak: Any) -> None:
    one = clip(speak("a.wav"))
    assert Audio(one) == Audio(one) and len({Audio(one), Audio(one)}) == 1


def test_a_user_s_yaml_with_a_reader_of_its_own_is_a_task_like_ours(tmp_path: Path, speak: Any) -> None:
    speak("data/x.wav")
    (tmp_path / "task.yaml").write_text(
        f"include: {include_path() / 'question.yaml'}\n"
        "task: my_set\ncustom_dataset: !function read.mine\n"
        "metadata: {title: T, version: 3, license: mine, citation: C, metrics: [overlap_score], recording: clip,\n"
        "  type: CE, text_in_report: true, layout: wav files}\n"
    )
    (tmp_path / "read.py").write_text(
        "from cpbench.audio import clip\nfrom cpbench.records import Item\nfrom cpbench.tasks.docs import corpus\n\n"
        "@corpus\ndef mine(folder, card):\n"
        "    for path in sorted(folder.glob('*.wav')):\n"
        "        yield Item(path.stem, card.name, (clip(path),), 'Why?', ('So.',), type=card.type)\n"
    )
    ((task, items),) = load_tasks([str(tmp_path / "task.yaml")], data_dirs={"": str(tmp_path / "data")})
    assert (task.name, task.version, task.rights.text_in_report, task.rights.third_party_api) == (
        "my_set",
        "3",
        True,
        False,
    )
    assert [(item.id, item.task, item.type) for item in items] == [("x", "my_set", "CE")]


def test_a_yaml_with_an_unknown_key_is_refused_with_the_nearest(tmp_path: Path) -> None:
    from cpbench.tasks.catalog import card_at

    (tmp_path / "task.yaml").write_text("task: a\nmetadata: {title: T, licence: mine}\n")
    with pytest.raises(UserError, match="did you mean 'license'"):
        card_at(tmp_path / "task.yaml")
