import dataclasses
import json

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cpbench import formats
from cpbench.audio import clip
from cpbench.errors import UsageError, UserError
from cpbench.formats._files import read_objects
from cpbench.formats.line import line_of, overall
from cpbench.records import QTYPES, Item, Tag

EXAMPLE = {  # DESIGN §5, with every field that it names
    "messages": [
        {"role": "user", "content": "<audio>How does she sound?"},
        {"role": "assistant", "content": "She sounds sad."},
    ],
    "audios": ["0.wav"],
    "cpbench": {
        "id": "a-1",
        "type": "DE",
        "split": "train",
        "speaker": "04",
        "transcript": "It is over.",
        "emotion": "sadness",
        "vad": {"valence": 0.2, "arousal": 0.3, "dominance": 0.5, "scale": [0, 1]},
        "annotator": "audeering@1",
        "generator": None,
        "prompt_hash": None,
        "license": "CC0",
    },
}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Three real files of different bytes, in the folder that the lines are written to and in one beside it."""
    folder = tmp_path_factory.mktemp("line")
    paths = [folder / "0.wav", folder / "deep" / "ü 1.wav", folder.parent / f"{folder.name}-beside" / "2.wav"]
    for n, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.full(1600, 0.01 * n, np.float32), 16000)
    return folder, paths


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text.strip())
PLAIN = TEXT.filter(lambda text: "<audio>" not in text)
LEVEL = st.none() | st.floats(-1, 1)
TAG = st.builds(
    Tag,
    start=st.floats(0, 1e4),
    end=st.floats(0, 1e4),
    source=TEXT,
    emotion=st.dictionaries(TEXT, st.floats(0, 1), max_size=3),
    valence=LEVEL,
    arousal=LEVEL,
    dominance=LEVEL,
    text=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    scale=st.none() | st.tuples(st.floats(-10, 10), st.floats(-10, 10)),
)
KNOWN = st.fixed_dictionaries(
    {
        "recording": TEXT,
        "speaker": st.none() | TEXT,
        "gender": st.none() | TEXT,
        "transcript": st.none() | TEXT,
        "tags": st.lists(TAG, max_size=3).map(tuple),
    }
)
ITEM = st.fixed_dictionaries(
    {
        "question": PLAIN,
        "references": st.lists(TEXT, min_size=1, max_size=3).map(tuple),
        "prompt": st.just("") | TEXT,
        "language": st.none() | TEXT,
        "type": st.none() | st.sampled_from(QTYPES),
        "label": st.none() | TEXT,
        "options": st.lists(TEXT, max_size=3).map(tuple),
        "lure": st.none() | TEXT,
        "words": st.none() | TEXT,
        "split": TEXT,
        "origin": st.dictionaries(st.sampled_from(["generator", "annotator", "prompt_hash", "license", "other"]), TEXT),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_item_comes_back_from_its_line_exactly(sounds, data):
    folder, paths = sounds
    made = []
    for n, chosen in enumerate(
        data.draw(st.lists(st.lists(st.sampled_from(paths), min_size=1, max_size=2), min_size=1, max_size=3))
    ):
        clips = tuple(dataclasses.replace(clip(path), **data.draw(KNOWN)) for path in chosen)
        made.append(Item(f"i{n}", "t", clips, **data.draw(ITEM)))
    formats.write("line", made, folder / "data.jsonl")
    back = list(formats.read("line", folder / "data.jsonl", task="t"))
    assert [dataclasses.asdict(item) for item in back] == [dataclasses.asdict(item) for item in made]


def test_the_line_of_the_design_is_read_with_all_it_says(sounds):
    folder, paths = sounds
    (item,) = formats.read("line", lines(folder / "x.jsonl", EXAMPLE), task="mine")
    (sound,) = item.clips
    assert (item.id, item.task, item.type, item.split) == ("a-1", "mine", "DE", "train")
    assert (item.question, item.references) == ("How does she sound?", ("She sounds sad.",))
    assert (sound.path, sound.speaker, sound.recording, sound.transcript) == (str(paths[0]), "04", "04", "It is over.")
    assert sound.seconds == pytest.approx(0.1) and sound.sha256 == clip(paths[0]).sha256
    assert item.origin == {"annotator": "audeering@1", "license": "CC0"}
    (tag,) = sound.tags
    assert (tag.source, tag.emotion, tag.end) == ("audeering@1", {"sadness": 1.0}, pytest.approx(0.1))
    assert (tag.valence, tag.arousal, tag.dominance) == pytest.approx((-0.6, -0.4, 0.0))  # 0..1 becomes -1..1


def test_a_written_line_names_every_field_of_the_design(sounds):
    folder, paths = sounds
    tags = (Tag(0, 1, "gold", {"joy": 0.7, "anger": 0.3}, valence=0.5), Tag(1, 4, "gold", {"anger": 1.0}, valence=-0.5))
    sound = dataclasses.replace(clip(paths[1]), recording="r", speaker="s", tags=tags)
    line = line_of(Item("1", "t", (sound,), "Who?", ("A man.",), split="train"), folder)
    assert set(EXAMPLE["cpbench"]) <= set(line["cpbench"])
    assert line["audios"] == ["deep/ü 1.wav"]
    assert line["messages"][0] == {"role": "user", "content": "<audio>Who?"}
    assert line["cpbench"]["emotion"] == "anger" and line["cpbench"]["generator"] is None
    assert line["cpbench"]["vad"] == {"valence": -0.25, "arousal": None, "dominance": None, "scale": [-1, 1]}


def test_the_shares_of_time_decide_what_a_clip_is_summed_up_as():
    even = [Tag(0, 2, "a", {"joy": 0.6, "fear": 0.4}), Tag(2, 3, "a", {"fear": 0.9})]
    assert overall(even) == ("fear", None)  # 2 * .4 + .9 against 2 * .6
    assert overall([]) == (None, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cpbench": {**EXAMPLE["cpbench"], "typ": "DE"}}, r"unknown key in cpbench 'typ' \(did you mean 'type'\?\)"),
        ({"cpbench": {**EXAMPLE["cpbench"], "type": "DP"}}, "unknown question type 'DP'"),
        ({"cpbench": {}}, "'cpbench.id' is missing"),
        ({"messages": EXAMPLE["messages"] * 2}, "one question and one answer"),
        ({"messages": [{"role": "user", "content": "Hm?"}, EXAMPLE["messages"][1]]}, "should begin with <audio>"),
        ({"audios": ["0.wav", "0.wav"]}, "2 audios, and clips of 1"),
        ({"audios": []}, "audios"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(sounds, change, message):
    folder, _ = sounds
    path = lines(folder / "bad.jsonl", EXAMPLE, {**EXAMPLE, "cpbench": {**EXAMPLE["cpbench"], "id": "2"}, **change})
    with pytest.raises(UserError, match=f"bad.jsonl, line 2: .*{message}"):
        list(formats.read("line", path, task="t"))


def test_a_doubled_id_and_absent_audio_are_refused(sounds, tmp_path):
    folder, _ = sounds
    with pytest.raises(UserError, match="line 2: the id was already on line 1"):
        list(formats.read("line", lines(folder / "twice.jsonl", EXAMPLE, EXAMPLE), task="t"))
    with pytest.raises(UserError, match="none of the audio files"):
        list(formats.read("line", lines(tmp_path / "moved.jsonl", EXAMPLE), task="t"))


def test_a_question_that_would_be_taken_for_a_sound_is_not_written(sounds):
    folder, paths = sounds
    with pytest.raises(UserError, match="holds <audio>"):
        formats.write("line", [Item("1", "t", (clip(paths[0]),), "What is <audio>?", ("x",))], folder / "n.jsonl")
    assert not (folder / "n.jsonl").exists() and not list(folder.glob(".*"))


@pytest.mark.parametrize(
    ("first", "name"),
    [
        (EXAMPLE, "line"),
        ({key: EXAMPLE[key] for key in ("messages", "audios")}, "swift"),
        ({"query": "<audio>Who?", "response": "A man.", "audios": ["a.wav"]}, "swift"),
        ({"conversations": [{"from": "human", "value": "<audio>Who?"}], "audios": ["a.wav"]}, "llamafactory"),
        ({"messages": [{"role": "user", "content": [{"type": "audio", "path": "a.wav"}]}]}, "chat_blocks"),
        ({"audio_filepath": "a.wav", "duration": 1.0, "context": "Who?", "answer": "x"}, "nemo"),
        ({"id": "1", "audio": "a.wav", "question": "Who?", "references": ["x"]}, "items"),
        ({"context": "a.wav", "instruction": "Who?", "answer": "x"}, "hub"),
    ],
)
@pytest.mark.parametrize("whole", [False, True], ids=["lines", "array"])
def test_a_file_is_known_by_its_first_object(tmp_path, first, name, whole):
    path = tmp_path / "x.json"
    path.write_text(json.dumps([first], indent=1) if whole else "\n" + json.dumps(first))
    assert formats.sniff(path) == name


def test_a_file_of_clips_or_of_something_else_is_no_file_of_questions(tmp_path):
    with pytest.raises(UserError, match=r"(?s)no known format of questions.*path.*cpbench data generate"):
        formats.sniff(lines(tmp_path / "clips.jsonl", {"path": "a.wav", "sha256": None}))
    with pytest.raises(UserError, match="not JSON"):
        formats.sniff(_text(tmp_path, "hello"))
    with pytest.raises(UserError, match="there is nothing in"):
        formats.sniff(_text(tmp_path, ""))
    with pytest.raises(UserError, match="no such file"):
        formats.sniff(tmp_path / "none.jsonl")


def _text(folder, text):
    (folder / "some.txt").write_text(text)
    return folder / "some.txt"


def test_read_any_reads_lines_and_items_alike(sounds, items_file):
    folder, _ = sounds
    assert [item.id for item in formats.read_any(lines(folder / "x.jsonl", EXAMPLE), task="t")] == ["a-1"]
    assert len(list(formats.read_any(items_file(clips=2, questions=2), task="t"))) == 4


def test_an_array_is_read_through_a_window(tmp_path, monkeypatch):
    """Also where an entry is longer than the window, and where its brackets and escapes fall on the seam."""
    rows = [{"text": '"[]{}\\,\u2028ü' * n, "n": [n, {"a": None}]} for n in range(40)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows, indent=2))
    for chunk in (1, 7, 64, 100_000):
        monkeypatch.setattr("cpbench.formats._files._CHUNK", chunk)
        assert [value for _, value in read_objects(path)] == rows
    path.write_text(json.dumps(rows)[:-5])
    with pytest.raises(UserError, match="entry 40: not JSON"):
        list(read_objects(path))


def test_the_file_loads_as_one_table_of_one_schema(sounds):
    """As ms-swift and LLaMA-Factory load it: `datasets` infers the columns from the first lines."""
    from datasets import load_dataset

    folder, paths = sounds
    tags = (Tag(0, 1, "gold", {"joy": 0.7, "anger": 0.3}, valence=0.5), Tag(1, 4, "a", {}, text="so"))
    bare, full = clip(paths[0]), dataclasses.replace(clip(paths[0]), speaker="s", transcript="so", tags=tags)
    made = [
        Item(f"{n}", "t", (full if n % 3 else bare,), "Who?", ("A man.",), label=None if n % 2 else "male")
        for n in range(50)
    ]
    formats.write("line", made, folder / "table.jsonl")
    files, cache = str(folder / "table.jsonl"), str(folder / "cache")
    table = load_dataset("json", data_files=files, split="train", cache_dir=cache, chunksize=4096)
    assert table.num_rows == 50 and table["audios"][49] == ["0.wav"]
    assert table[1]["messages"][0] == {"role": "user", "content": "<audio>Who?"}
    assert table[1]["cpbench"]["tags"][0]["probabilities"] == [0.7, 0.3]


def test_unknown_options_have_their_own_class_of_error(sounds):
    folder, _ = sounds
    wrong = {**EXAMPLE, "cpbench": {**EXAMPLE["cpbench"], "typ": "DE"}}
    with pytest.raises(UsageError):
        list(formats.read("line", lines(folder / "u.jsonl", wrong), task="t"))
