import dataclasses

import pytest

from cpbench.data import templates
from cpbench.data.filters import FILTERS
from cpbench.data.generate_pairs import Known, Material, content_words, look_over
from cpbench.labels import extract_label
from cpbench.records import Clip, Tag

EMOTIONS = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
KNOWN = Known(EMOTIONS, ("female", "male"), ("guitar", "harbour", "lamp"))
ONE = Clip(
    "a.wav", "ab" * 32, 3.0, "r1", "s1", "female", "On Tuesday Emma found the hammer at the airport.",
    (Tag(0.0, 3.0, "gold", {"sadness": 1.0}, arousal=-0.5),),
)  # fmt: skip
TWO = Clip(
    "b.wav", "cd" * 32, 6.0, "r2", "s1+s2", None, "Anna bought the camera. Peter lost the camera yesterday.",
    (Tag(0.0, 3.0, "gold", {"anger": 0.9, "fear": 0.1}), Tag(3.0, 6.0, "gold", {"happiness": 1.0})),
)  # fmt: skip


def written(clip, types=templates.TYPES, known=KNOWN, seed=0):
    return templates.by_templates(Material(clip), known, types, seed)


def test_baseline_rows_are_the_facts_of_the_clip():
    words, gender, emotion = templates.baseline(Material(ONE), KNOWN, 0)
    assert (words.type, words.answer) == (None, ONE.transcript)
    assert (gender.type, gender.label, gender.options) == ("DG", "female", ("female", "male"))
    assert (emotion.type, emotion.label, emotion.answer) == ("DE", "sadness", "The speaker sounds sad.")


def test_what_is_not_known_is_not_asked():
    silent = dataclasses.replace(ONE, transcript=None)
    assert [pair.type for pair in templates.baseline(Material(silent), KNOWN, 0)] == ["DG", "DE"]
    assert {pair.type for pair in written(silent)} == {"DE", "DS"}  # its energy, its one voice
    bare = dataclasses.replace(ONE, tags=(), gender=None, speaker=None)
    assert [pair.type for pair in templates.baseline(Material(bare), KNOWN, 0)] == [None]
    assert {pair.type for pair in written(bare)} == {"C"}
    one_label = dataclasses.replace(KNOWN, emotions=("sadness",))
    assert not [pair for pair in written(ONE, known=one_label) if pair.label == "sadness"]  # nothing to choose from


def test_a_clip_of_several_emotions_has_no_emotion_of_its_own():
    assert [pair.type for pair in templates.baseline(Material(TWO), KNOWN, 0)] == [None]


def test_words_and_voice_are_put_together_by_their_times():
    asked = [pair for seed in range(30) for pair in written(TWO, ["CE"], seed=seed)]
    assert asked
    for pair in asked:
        first = any(word in pair.question for word in ("Anna", "bought"))
        assert pair.label == ("anger" if first else "happiness")
        assert "camera" not in pair.question  # both say it


def test_how_many_speak_of_a_word():
    asked = [pair for seed in range(60) for pair in written(TWO, ["CS"], seed=seed)]
    truth = {"camera": "two", "bought": "one", "Anna": "one", "Peter": "one", "yesterday": "one", "lost": "one"}
    for pair in asked:
        word = pair.question.split('"')[1]
        assert pair.label == truth.get(word, "none") and (pair.label != "none" or word in KNOWN.words)
    assert {pair.label for pair in asked} == {"none", "one", "two"}


def test_the_words_that_follow_are_those_of_the_transcript():
    for seed in range(20):
        for pair in written(ONE, ["C"], seed=seed):
            if pair.label is None:
                start = pair.question.split('"')[1]
                assert f"{start} {pair.answer}" == ONE.transcript
            else:
                assert pair.label == ("yes" if pair.question.split('"')[1] in str(ONE.transcript) else "no")


def test_the_dimensional_signal_is_asked_about():
    quiet = [pair for seed in range(5) for pair in written(ONE, ["DE"], seed=seed)]
    assert {(pair.label, pair.answer) for pair in quiet} == {("low", "The voice has low energy.")}
    course = dataclasses.replace(TWO, speaker="s1")
    assert [pair.answer for pair in written(course, ["DE"])] == ["It goes from anger to happiness."]
    loud = dataclasses.replace(
        TWO, tags=(dataclasses.replace(TWO.tags[0], arousal=0.1), dataclasses.replace(TWO.tags[1], arousal=0.8))
    )
    open_ones = [pair for pair in written(loud, ["CE"]) if pair.label is None]
    assert [pair.answer for pair in open_ones] == ["Peter lost the camera yesterday."]


@pytest.mark.parametrize("emotion", [*EMOTIONS, "contempt", "frustration", "excitement", "joy", "calm"])
def test_an_answer_is_read_as_its_own_label(emotion):
    """By the label reader of the benchmark, which knows nothing of the templates."""
    options = tuple(sorted({*EMOTIONS, emotion} - ({"happiness"} if emotion == "joy" else set())))
    assert extract_label(templates.said(emotion), options) == emotion


def test_the_same_seed_gives_the_same_questions_and_seeds_differ():
    assert written(ONE, seed=3) == written(ONE, seed=3)
    assert len({tuple(written(ONE, seed=seed)) for seed in range(10)}) > 5
    assert len({pair.question for seed in range(40) for pair in written(ONE, ["DS"], seed=seed)}) == 3  # wordings


def test_no_filter_drops_a_template_s_question():
    from cpbench.records import Item

    for seed in range(20):
        for clip in (ONE, TWO):
            for pair in written(clip, seed=seed):
                item = Item("1", "t", (clip,), pair.question, (pair.answer,), type=pair.type, label=pair.label,
                            options=pair.options)  # fmt: skip
                assert [name for name, drops in FILTERS.items() if drops(item)] == []


def test_tags_of_several_annotators_on_the_same_stretch_are_one():
    tags = (
        Tag(0.0, 3.0, "gold", {"sadness": 1.0}),
        Tag(0.0, 3.0, "ser@1", {"sadness": 0.5, "fear": 0.5}),
        Tag(0.0, 3.001, "dim@2", {}, valence=-0.5, arousal=0.1),
    )
    (segment,) = Material(dataclasses.replace(ONE, tags=tags)).segments
    assert segment.emotion == {"sadness": 0.75, "fear": 0.25} and segment.valence == -0.5
    assert segment.text == ONE.transcript and segment.top == "sadness"
    assert Material(dataclasses.replace(ONE, tags=tags)).annotators == "dim@2+gold+ser@1"


def test_words_with_times_go_before_sentences():
    tags = (Tag(0, 2, "g", {"fear": 1.0}, text="On Tuesday"), Tag(2, 3, "g", {"joy": 1.0}, text="Emma found"))
    assert [s.text for s in Material(dataclasses.replace(ONE, tags=tags)).segments] == ["On Tuesday", "Emma found"]
    three = dataclasses.replace(TWO, tags=(*TWO.tags, Tag(6, 7, "gold", {"fear": 1.0})))
    assert {s.text for s in Material(three).segments} == {None}  # two sentences, three stretches: nobody knows


def test_a_look_over_the_set_gives_labels_and_words():
    known = look_over(iter([ONE, TWO, dataclasses.replace(ONE, gender=None, tags=())]))
    assert known.emotions == ("anger", "happiness", "sadness") and known.genders == ("female",)
    assert known.words[:3] == ("Tuesday", "Emma", "found")
    assert content_words("Über die Brücke, über die BRÜCKE!") == ["Über", "Brücke"]
