"""From names to tasks, and the limit."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpbench.errors import UsageError, UserError
from cpbench.formats import read, write
from cpbench.records import Item, QType
from cpbench.tasks import limited, list_tasks, load_tasks


def items_of(counts: dict[QType | None, int]) -> list[Item]:
    """So many items of each type, the types mixed."""
    names = [(kind, number) for kind, count in counts.items() for number in range(count)]
    return [Item(f"{kind}-{n}", "t", (), "?", ("!",), type=kind) for kind, n in sorted(names, key=lambda one: one[1])]


COUNTS = st.dictionaries(st.sampled_from([None, "C", "DE", "DG", "CE"]), st.integers(1, 30), min_size=1)


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.integers(1, 130), st.integers(1, 130), st.integers(0, 5))
def test_a_larger_limit_keeps_the_items_of_a_smaller_one(
    counts: dict[QType | None, int], a: int, b: int, seed: int
) -> None:
    items = items_of(counts)
    few, many = (limited(items, n, seed) for n in sorted((a, b)))
    assert {item.id for item in few} <= {item.id for item in many}
    assert len(many) == min(max(a, b), len(items))
    assert many == [item for item in items if item in many]


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.integers(1, 130))
def test_a_limit_takes_every_type_and_is_proportional(counts: dict[QType | None, int], n: int) -> None:
    items = items_of(counts)
    kept = Counter(item.type for item in limited(items, n))
    if n >= len(counts):
        assert set(kept) == set(counts)
    if n >= len(counts) and n <= len(items):
        for kind, count in counts.items():
            assert abs(kept[kind] - n * count / len(items)) <= len(counts)


def test_a_limit_by_hand() -> None:
    kept = Counter(item.type for item in limited(items_of({"C": 80, "DE": 15, "CE": 5}), 20))
    assert kept == {"C": 16, "DE": 3, "CE": 1}


def test_a_limit_depends_on_the_seed_and_not_on_the_order() -> None:
    items = items_of({"C": 50})
    assert limited(items, 10, 1) != limited(items, 10, 2)
    assert set(limited(items[::-1], 10, 1)) == set(limited(items, 10, 1))


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        limited(items_of({"C": 3}), 0)


SPLITS = ("train", "test", "test")


def write_items(speak: Any, path: Path, **more: Any) -> Path:
    speak(path.relative_to(path.parents[1]).parent / "a.wav")
    lines = [
        {"id": f"q{n}", "audio": "a.wav", "question": "Who?", "references": ["Ann."], "type": "C"} for n in range(3)
    ]
    path.write_text("\n".join(json.dumps({**line, **more}) for line in lines))
    return path


def test_a_user_s_file_is_the_user_s_to_send_and_to_show(speak: Any, tmp_path: Path) -> None:
    path = write_items(speak, tmp_path / "mine" / "meetings.jsonl")
    ((task, items),) = load_tasks([str(path)])
    assert (task.name, [item.task for item in items]) == ("meetings", ["meetings"] * 3)
    assert task.rights.audio_in_report and task.rights.text_in_report and task.rights.third_party_api
    assert (task.types_from, task.metrics) == ("column", ("overlap_score",))


def test_files_of_one_stem_and_of_a_task_s_name_are_named_by_their_folders(speak: Any, tmp_path: Path) -> None:
    paths = [write_items(speak, tmp_path / folder / "items.jsonl") for folder in ("a", "b c")]
    paths.append(write_items(speak, tmp_path / "a" / "cpqa.jsonl"))
    names = [task.name for task, _ in load_tasks([str(path) for path in paths])]
    assert names == ["a_items", "b_c_items", "a_cpqa"]
    assert [task.name for task, _ in load_tasks([str(path) for path in paths[::-1]])] == names[::-1]


def test_a_file_that_models_are_trained_on_is_asked_as_it_is(speak: Any, tmp_path: Path) -> None:
    path = write_items(speak, tmp_path / "a" / "items.jsonl")
    items = [replace(item, split=split) for item, split in zip(read("items", path, task="a"), SPLITS, strict=True)]
    for layout, asked in (("line", 2), ("swift", 3), ("nemo", 3)):  # the others know no splits
        write(layout, items, made := tmp_path / "a" / f"{layout}.jsonl")
        ((task, found),) = load_tasks([str(made)])
        assert (task.name, len(found)) == (layout, asked)
        assert {(item.question, item.references, item.clips[0].sha256) for item in found} == {
            ("Who?", ("Ann.",), items[0].clips[0].sha256)
        }


def test_what_is_wrong_with_an_items_jsonl_is_said_of_an_items_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"audio": "a.wav", "question": "Who?", "references": ["Ann."]}')
    with pytest.raises(UserError, match=r"line 1: the key 'id' is missing"):
        load_tasks([str(path)])


def test_of_a_file_with_several_splits_the_test_split_is_asked(speak: Any, tmp_path: Path) -> None:
    path = write_items(speak, tmp_path / "a" / "mine.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]

    def with_splits(*splits: str) -> str:
        path.write_text("\n".join(json.dumps({**line, "split": s}) for line, s in zip(lines, splits, strict=True)))
        return str(path)

    ((_, items),) = load_tasks([with_splits("train", "test", "test")])
    assert [item.id for item in items] == ["q1", "q2"]
    assert len(load_tasks([with_splits("dev", "dev", "dev")])[0][1]) == 3
    with pytest.raises(UserError, match="none is called 'test'"):
        load_tasks([with_splits("train", "dev", "dev")])


def test_label_metrics_need_one_set_of_labels(speak: Any, tmp_path: Path) -> None:
    one = write_items(speak, tmp_path / "a" / "one.jsonl", label="sad", options=["sad", "glad"], lure="glad")
    ((task, _),) = load_tasks([str(one)])
    assert task.metrics == (
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "weighted_f1",
        "unextractable",
        "lure_rate",
        "overlap_score",
    )


def test_the_fingerprint_is_of_all_items_whatever_the_limit(emodb: Path) -> None:
    whole, few = (load_tasks(["emotion_emodb"], data_dirs={"": str(emodb)}, limit=limit)[0] for limit in (None, 7))
    assert whole[0].fingerprint == few[0].fingerprint
    assert (len(whole[1]), len(few[1])) == (410, 7)
    assert (whole[0].fingerprint or "").startswith("v1:sha256:")


def test_real_questions_on_real_speech(emodb: Path) -> None:
    ((task, items),) = load_tasks([str(emodb / "cpqa.jsonl")], limit=40)
    assert task.name == "emodb_cpqa"
    assert Counter(item.type for item in items) == {"C": 10, "DE": 10, "DG": 10, "CE": 10}
    assert len({item.recording for item in items}) == 4


def test_a_slip_in_a_name_is_answered_at_once() -> None:
    with pytest.raises(UsageError, match="did you mean 'emotion_emodb'"):
        load_tasks(["emotion_emobd"])


def test_a_folder_for_a_task_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match="--data-dir for an unknown task 'emodb'"):
        load_tasks(["emotion_emodb"], data_dirs={"emodb": "x"})


def test_no_names_and_a_missing_file() -> None:
    with pytest.raises(UsageError, match="no task named"):
        load_tasks([])
    with pytest.raises(UserError, match=r"no such file.*absent\.jsonl"):
        load_tasks(["absent.jsonl"])


def test_a_group_and_its_member_are_loaded_once(tmp_path: Path) -> None:
    from cpbench.tasks.catalog import expanded

    assert expanded(["demo", "demo_cpqa", "x.jsonl"]) == ["demo_cpqa", "demo_emotion", "x.jsonl"]


def test_every_yaml_names_what_a_reader_of_results_has_to_know() -> None:
    from cpbench.metrics import find_metrics

    for card in list_tasks():
        assert card.title and card.citation and card.license and card.recording and card.layout
        assert find_metrics(card.metrics)
        assert not card.third_party_api or card.packaged, "unknown means no"
        assert card.generation.temperature == 0
        assert (card.repo is None) or len(card.revision) == 40 or card.revision == "main"
