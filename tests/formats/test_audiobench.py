import dataclasses
import json

import numpy as np
import pytest

from cpbench.errors import UserError
from cpbench.formats.audiobench import Columns, clip_of, items_from_rows
from cpbench.records import Tag


@pytest.fixture
def row(sound_bytes):
    """row(n, **more) -> a flat row about clip n."""
    return lambda n=0, **more: {
        "context": {"bytes": sound_bytes(n), "path": None},
        "instruction": "What is said?",
        "answer": "Nothing.",
        **more,
    }


def read(*rows, **options):
    return list(items_from_rows(rows, task="t", **options))


def test_a_flat_row_with_all_that_may_be_known(row):
    (item,) = read(
        row(id="x7", language="zh", question_type="DE", video_id="v1", speaker="s", gender="male", transcript="w")
        | {"options": ["joy", "fear"], "label": "joy", "emotion": "joy"}
    )
    (clip,) = item.clips
    assert (item.id, item.language, item.type, item.label, item.options) == ("x7", "zh", "DE", "joy", ("joy", "fear"))
    assert (clip.recording, clip.speaker, clip.gender, clip.transcript) == ("v1", "s", "male", "w")
    assert clip.tags == (Tag(0.0, 0.5, "gold", {"joy": 1.0}),)


def test_other_attributes_count_as_an_object_and_as_json(row):
    more = {"Question_Type": "contextual emotion", "language": "en", "speaker_id": 4}
    as_object, as_json = read(row(other_attributes=more), row(1, other_attributes=json.dumps(more)))
    for item in (as_object, as_json):
        assert (item.type, item.language, item.recording) == ("CE", "en", "4")


@pytest.mark.parametrize("attributes", [None, "", "{broken", "[1]", 3])
def test_other_attributes_that_hold_nothing(row, attributes):
    (item,) = read(row(other_attributes=attributes))
    assert item.language is None


def test_the_row_comes_before_its_attributes(row):
    (item,) = read(row(language="en", other_attributes={"language": "zh"}))
    assert item.language == "en"


def test_without_a_recording_it_is_the_speaker_then_the_clip(row):
    speaker, alone = read(row(speaker="s"), row(1))
    assert speaker.recording == "s"
    assert alone.recording == alone.clips[0].sha256


def test_an_id_depends_on_clip_and_question_alone(row):
    first, other_question, other_clip = read(row(), row(instruction="Else?"), row(1))
    (later,) = read(row(answer="Another."))
    assert later.id == first.id
    assert len({first.id, other_question.id, other_clip.id}) == 3


def test_doubled_ids_are_counted(row):
    assert [item.id for item in read(row(id="a"), row(id="a"), row(id="b"), row(id="a"))] == ["a", "a-2", "b", "a-3"]


def test_several_answers(row):
    (item,) = read(row(answer=["yes", "indeed"]))
    assert item.references == ("yes", "indeed")


def test_a_number_is_a_text(row):
    (item,) = read(row(id=12))
    assert item.id == "12"


def test_columns_of_ones_own(sound_bytes):
    own = dataclasses.replace(Columns(), audio=("wav",), question=("ask",), answer=("gt.best",), type=("kind",))
    (item,) = read({"wav": sound_bytes(), "ask": "q?", "gt": {"best": "a"}, "kind": "DG"}, columns=own)
    assert (item.question, item.references, item.type) == ("q?", ("a",), "DG")


@pytest.mark.parametrize(("column", "what"), [("context", "audio"), ("instruction", "question"), ("answer", "answer")])
@pytest.mark.parametrize("value", [None, "", {}, []])
def test_a_row_without_what_is_needed(row, column, what, value):
    with pytest.raises(
        UserError, match=rf"row 2 has no {what}: its columns are \['answer', 'context', 'instruction'\]"
    ):
        read(row(), row(**{column: value}))


def test_the_types_of_a_column_a_sidecar_and_the_rules(row, tmp_path):
    sidecar = tmp_path / "types.jsonl"
    sidecar.write_text('{"id": "b", "type": "CS"}\n')
    rows = [row(id="a", type="CE"), row(id="b"), row(id="c", instruction="Is the speaker a man or a woman?")]
    items = read(*rows, sidecar=sidecar)
    assert [(item.type, item.origin["types_from"]) for item in items] == [
        ("CE", "column"),
        ("CS", "sidecar"),
        ("DG", "rules"),
    ]


def test_a_category_that_is_no_type_is_passed_over(row):
    (item,) = read(row(category="sports news"))
    assert (item.type, item.origin["types_from"]) == ("C", "rules")


def test_every_form_of_an_audio_value_is_the_same_sound(sound_bytes, tmp_path):
    data = sound_bytes()
    (tmp_path / "a.flac").write_bytes(data)
    forms = [data, {"bytes": data, "path": "x.flac"}, {"bytes": None, "path": str(tmp_path / "a.flac")}]
    forms += [str(tmp_path / "a.flac"), tmp_path / "a.flac"]
    assert len({clip_of(form).sha256 for form in forms}) == 1


def test_decoded_samples_are_an_audio_value():
    wave = np.linspace(-0.5, 0.5, 8000)
    clip = clip_of({"array": wave, "sampling_rate": 8000, "path": None}, recording="r", speaker="s")
    assert (clip.seconds, clip.recording, clip.speaker) == (1.0, "r", "s")


def test_a_decoder_object_is_an_audio_value():
    import torch

    class Samples:
        data, sample_rate = torch.zeros(1, 4000), 16000

    class Decoder:
        def get_all_samples(self):
            return Samples()

    assert clip_of(Decoder()).seconds == 0.25


@pytest.mark.parametrize("value", [None, 3, {}, {"bytes": b""}, ["a"]])
def test_what_is_no_audio(value):
    with pytest.raises(TypeError, match="no audio"):
        clip_of(value)
