import json
from pathlib import Path

import pytest

from cpbench import formats
from cpbench.errors import UsageError, UserError
from cpbench.fingerprint import dataset_fingerprint
from cpbench.records import Item, Tag

EMODB = Path(__file__).resolve().parents[2] / "../shared/data/emodb/cpqa.jsonl"


def read(path):
    return list(formats.read("items", path, task="mine"))


def everything(item):
    """An item with what does not count in comparisons."""
    return item, [repr(clip) for clip in item.clips], dict(item.origin)


def test_a_line_becomes_an_item(written, line):
    path = written(
        line(
            id="x-1",
            question="How does she feel?",
            references=["Glad.", "Happy."],
            type="CE",
            label="joy",
            options=["joy", "anger"],
            lure="anger",
            recording="d1",
            speaker="s1",
            gender="female",
            language="en",
            transcript="I hate it",
            emotion="joy",
            split="dev",
            prompt="Answer in a word: how does she feel?",
            words="i hate it",
            origin={"generator": "by hand"},
        )
    )
    (item,) = read(path)
    (clip,) = item.clips
    assert item == Item(
        "x-1",
        "mine",
        (clip,),
        "How does she feel?",
        ("Glad.", "Happy."),
        prompt="Answer in a word: how does she feel?",
        language="en",
        type="CE",
        label="joy",
        options=("joy", "anger"),
        lure="anger",
        words="i hate it",
        split="dev",
    )
    assert (clip.path, clip.seconds) == (str(path.parent / "a.flac"), 0.5)
    assert (clip.recording, clip.speaker, clip.gender, clip.transcript) == ("d1", "s1", "female", "I hate it")
    assert clip.tags == (Tag(0.0, 0.5, "gold", {"joy": 1.0}),)
    assert item.origin == {"generator": "by hand"}


def test_what_is_not_known_stays_unknown(written, line):
    (item,) = read(written(line(label=None, type=None, emotion=None)))
    assert (item.label, item.type, item.options, item.lure, item.words, item.language) == (
        None,
        None,
        (),
        None,
        None,
        None,
    )
    assert (item.prompt, item.split, item.clips[0].tags, item.clips[0].transcript) == ("", "test", (), None)


def test_one_reference_may_be_a_string_and_an_id_a_number(written, line):
    (item,) = read(written(line(id=7, references="yes")))
    assert (item.id, item.references) == ("7", ("yes",))


def test_the_recording_is_the_speaker_else_the_clip(written, line):
    with_speaker, alone, other = read(
        written(line(speaker="s1"), line(id="2", audio="b.flac"), line(id="3", audio="c.flac"))
    )
    assert with_speaker.recording == "s1"
    assert alone.recording == alone.clips[0].sha256 != other.recording


def test_several_clips_each_with_its_own(written, line):
    (item,) = read(
        written(
            line(
                audio=["a.flac", "b.flac"],
                recording="r",
                speaker=["s1", None],
                emotion=["joy", [{"start": 0, "end": 0.2, "label": "fear", "probability": 0.5}]],
            )
        )
    )
    assert [clip.speaker for clip in item.clips] == ["s1", None]
    assert item.recording == "r"
    assert [clip.tags[0].emotion for clip in item.clips] == [{"joy": 1.0}, {"fear": 0.5}]


def test_emotions_with_times(written, line):
    spans = [
        {
            "start": 0,
            "end": 0.2,
            "label": "fear",
            "probability": 0.7,
            "valence": -0.5,
            "source": "ser@1",
            "scale": [1, 7],
        },
        {"start": 0.2, "end": 0.5, "label": {"joy": 0.6, "neutral": 0.4}, "text": "well"},
    ]
    (item,) = read(written(line(emotion=spans)))
    assert item.clips[0].tags == (
        Tag(0.0, 0.2, "ser@1", {"fear": 0.7}, valence=-0.5, scale=(1.0, 7.0)),
        Tag(0.2, 0.5, "gold", {"joy": 0.6, "neutral": 0.4}, text="well"),
    )


def test_options_are_the_labels_of_that_type_in_the_whole_file(written, line):
    lines = [
        line(id="1", type="DE", label="joy"),
        line(id="2", type="DG", label="male"),
        line(id="3", type="DE", label="anger", lure="fear"),
        line(id="4", type="DG", label="female", options=["female", "male", "other"]),
        line(id="5", type="DE"),
    ]
    by_id = {item.id: item.options for item in read(written(*lines))}
    assert by_id["1"] == by_id["3"] == ("anger", "fear", "joy")
    assert by_id["2"] == ("female", "male")
    assert by_id["4"] == ("female", "male", "other")
    assert by_id["5"] == ()


def test_words_only_where_several_recordings_say_them(written, line):
    lines = [
        line(id="1", audio="a.flac", speaker="s1", transcript="Der Lappen liegt."),
        line(id="2", audio="b.flac", speaker="s2", transcript="der lappen  LIEGT"),
        line(id="3", audio="c.flac", speaker="s1", transcript="Etwas anderes."),
        line(id="4", audio="c.flac", speaker="s1", transcript="Etwas anderes."),
        line(id="5", audio="c.flac", speaker="s1"),
    ]
    assert [item.words for item in read(written(*lines))] == ["der lappen liegt", "der lappen liegt", None, None, None]


def test_a_clip_is_hashed_once_however_often_it_is_asked_about(written, line, monkeypatch):
    from cpbench.formats import items

    hashed, original = [], items.clip

    def counting(path):
        hashed.append(path.name)
        return original(path)

    monkeypatch.setattr(items, "clip", counting)
    read(written(*(line(id=str(n), audio=("a.flac", "b.flac")[n % 2]) for n in range(6))))
    assert hashed == ["a.flac", "b.flac"]


def test_no_file_is_opened_before_its_item_is_wanted(written, line, tmp_path):
    path = written(line(), line(id="2", audio="b.flac"))
    found = formats.read("items", path, task="t")
    assert next(found).id == "1"
    (tmp_path / "b.flac").write_bytes(b"changed since")
    assert next(found).clips[0].seconds is None


def test_a_missing_clip_is_an_item_still(written, line):
    here, gone = read(written(line(), line(id="2", audio="gone.flac")))
    assert here.clips[0].sha256 is not None
    assert (gone.clips[0].sha256, gone.clips[0].seconds) == (None, None)


def test_blank_lines_a_byte_order_mark_and_line_separators_do_no_harm(written, line, tmp_path):
    path = written(line(question="a\u2028b?"), "", line(id="2"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\\u2028", "\u2028".encode()).replace(b"\n", b"\r\n"))
    assert [item.question for item in read(path)] == ["a\u2028b?", "q?"]


FAULTS = {
    "unknown key": ({"refrences": ["x"]}, r"line 2: unknown key 'refrences' \(did you mean 'references'\?\)"),
    "unknown key in an emotion": (
        {"emotion": [{"start": 0, "end": 1, "lable": "x", "label": "y"}]},
        r"line 2: unknown key 'lable' \(did you mean 'label'\?\)",
    ),
    "unknown type": ({"type": "CD"}, r"line 2: unknown question type 'CD'[\s\S]*allowed: C, DE, DG, DS, CE, CG, CS"),
    "label outside the options": (
        {"label": "angry", "options": ["anger", "joy"]},
        r"line 2: the label is not one of the options: 'angry' \(did you mean 'anger'\?\)",
    ),
    "lure outside the options": ({"label": "a", "options": ["a", "b"], "lure": "c"}, "line 2: the lure is not one"),
    "an option twice": ({"label": "a", "options": ["a", "a"]}, "line 2: an option stands twice"),
    "no references": ({"references": []}, "line 2: 'references' is empty"),
    "a blank reference": ({"references": ["good", " "]}, "line 2: 'references' is empty"),
    "a blank question": ({"question": " "}, "line 2: 'question' is empty"),
    "no audio": ({"audio": []}, "line 2: 'audio' is empty"),
    "references of another kind": ({"references": {"a": 1}}, "line 2: 'references'"),
    "a truth value": ({"question": True}, "line 2: 'question'"),
    "too many speakers": (
        {"audio": ["a.flac", "b.flac"], "speaker": ["x"]},
        "line 2: 'speaker' should have one entry a clip, 2",
    ),
    "an emotion that ends early": ({"emotion": [{"start": 1, "end": 1, "label": "x"}]}, "line 2: an emotion from 1 s"),
    "an emotion without a label": ({"emotion": [{"start": 0, "end": 1}]}, "line 2: the key 'label' is missing"),
    "a probability above one": (
        {"emotion": [{"start": 0, "end": 1, "label": "x", "probability": 1.5}]},
        "line 2: 'probability': .* less than or equal to 1",
    ),
    "valence out of range": ({"emotion": [{"start": 0, "end": 1, "label": "x", "valence": 3}]}, "line 2: 'valence'"),
    "a scale upside down": (
        {"emotion": [{"start": 0, "end": 1, "label": "x", "scale": [5, 1]}]},
        "line 2: a scale goes from its lowest value to its highest",
    ),
    "a doubled id": ({"id": "1"}, "line 2: the id was already on line 1: '1'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_message_with_file_and_line(written, line, fault):
    more, message = FAULTS[fault]
    path = written(line(), line(**{"id": "2", **more}))
    with pytest.raises(UserError, match=message) as raised:
        read(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("key", ["id", "audio", "question", "references"])
def test_a_missing_key(written, line, key):
    broken = line()
    del broken[key]
    with pytest.raises(UserError, match=f"line 1: the key '{key}' is missing"):
        read(written(broken))


@pytest.mark.parametrize(
    ("text", "message"), [('{"id": 1', "not JSON"), ("[1]", "not a JSON object"), ('{"id": NaN}', "NaN")]
)
def test_what_is_no_object(written, line, text, message):
    with pytest.raises(UserError, match=rf"line 3: .*{message}"):
        read(written(line(), "", text))


def test_wrong_words_end_as_usage_errors(written, line):
    with pytest.raises(UsageError):
        read(written(line(type="X")))


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file(tmp_path, content):
    (tmp_path / "items.jsonl").write_bytes(content)
    with pytest.raises(UserError, match="no items in"):
        read(tmp_path / "items.jsonl")


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"no such file .*none\.jsonl"):
        read(tmp_path / "none.jsonl")


def test_a_file_that_is_not_text(tmp_path, sound_bytes):
    (tmp_path / "items.jsonl").write_bytes(sound_bytes())
    with pytest.raises(UserError, match="cannot be read as UTF-8"):
        read(tmp_path / "items.jsonl")


def test_audio_of_which_no_file_is_there(written, line):
    with pytest.raises(UserError, match=r"none of its 2 audio files is there[\s\S]*relative to the folder"):
        read(written(line(audio="x/a.flac"), line(id="2", audio="x/b.flac")))


def test_what_is_written_reads_the_same(written, line, tmp_path):
    lines = [
        line(
            id="1",
            type="DE",
            label="joy",
            speaker="s1",
            transcript="Same words",
            emotion="joy",
            prompt="P",
            split="dev",
        ),
        line(id="2", type="DE", label="anger", audio="b.flac", speaker="s2", transcript="same words!", language="zh"),
        line(
            id="3", audio=["a.flac", "b.flac"], recording=["x", None], references=["一", "二"], origin={"license": "x"}
        ),
        line(
            id="4",
            audio="c.flac",
            emotion=[{"start": 0, "end": 0.2, "label": "fear", "probability": 0.7, "valence": -1, "scale": [0, 1]}],
        ),
        line(id="5", audio="gone.flac", emotion="joy"),
        line(id="6", type="CG", label="a", options=["b", "a"], lure="b"),
    ]
    items = read(written(*lines))
    formats.write("items", items, tmp_path / "elsewhere/deep/out.jsonl")
    again = read(tmp_path / "elsewhere/deep/out.jsonl")
    assert [everything(item) for item in again] == [everything(item) for item in items]
    assert dataset_fingerprint(again) == dataset_fingerprint(items)


def test_written_paths_are_relative_to_the_file(written, line, tmp_path):
    formats.write("items", read(written(line())), tmp_path / "sub/out.jsonl")
    assert json.loads((tmp_path / "sub/out.jsonl").read_text())["audio"] == "../a.flac"


def test_a_write_that_fails_leaves_the_old_file(written, line, tmp_path):
    path = written(line())

    def broken():
        yield from read(path)
        raise RuntimeError("the source broke")

    before = path.read_text()
    with pytest.raises(RuntimeError):
        formats.write("items", broken(), path)
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir() if "draft" in file.name] == []


@pytest.mark.skipif(not EMODB.exists(), reason="the shared EmoDB sample is not here")
def test_real_speech_reads():
    items = read(EMODB)
    assert len(items) == 864
    assert len({item.recording for item in items}) == 4
    assert {item.type for item in items} == {"C", "DE", "DG", "CE"}
    assert len({item.words for item in items}) == 10
    assert all(clip.sha256 and clip.seconds for item in items for clip in item.clips)
    emotions = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
    assert {item.options for item in items} == {(), emotions, ("female", "male")}
