import pytest

from cpbench.data import filters
from cpbench.data.filters import NEAR, TOO_OFTEN, Sieve, nearly_same
from cpbench.records import Clip, Item, Tag

EMOTIONS = ("anger", "happiness", "neutral", "sadness")
GENDERS = ("female", "male")
CLIP = Clip("a.wav", "ab" * 32, 3.0, "r", transcript="I lost my keys at the station.")


def item(question="How does the speaker sound?", answer="Sad.", *, kind="CE", label="sadness", options=EMOTIONS,
         clip=CLIP, generator="m"):  # fmt: skip
    origin = {"generator": generator} if generator else {}
    return Item("1", "t", (clip,), question, (answer,), type=kind, label=label,
                options=options if label is not None else (), origin=origin)  # fmt: skip


def measured(valence=None, arousal=None, emotion="sadness"):
    tag = Tag(0, 3, "g", {emotion: 1.0} if emotion else {}, valence=valence, arousal=arousal)
    return Clip("a.wav", "ab" * 32, 3.0, "r", transcript="x", tags=(tag,))


@pytest.mark.parametrize(
    ("question", "answer", "dropped"),
    [
        ("Who?", "x", False),
        ("", "x", True),
        ("Hm", "x", True),
        ("Who speaks?", "", True),
        ("Who speaks?" * 60, "x", True),
        ("Who speaks?", "x" * 1300, True),
        ("What is <audio>?", "x", True),
        ("Who \ufffd speaks?", "x", True),
    ],
)
def test_form_and_length(question, answer, dropped):
    assert filters.bad_form(item(question, answer)) is dropped


@pytest.mark.parametrize(
    ("question", "label", "options", "kind", "leaks"),
    [
        ("How does the sad speaker feel about it?", "sadness", EMOTIONS, "CE", True),
        ("Why is she so unhappy about the keys?", "anger", EMOTIONS, "CE", False),  # another emotion: a trap, no leak
        ("Is the voice angry, happy or sad?", "sadness", EMOTIONS, "DE", False),  # options are listed
        ("How does she sound?", "sadness", EMOTIONS, "CE", False),
        ("How does she sound?", "female", GENDERS, "CG", True),  # the pronoun gives it away
        ("Is it a man or a woman who lost the keys?", "female", GENDERS, "CG", False),
        ("Which gender has the one who lost the keys?", "female", GENDERS, "CG", False),
        ("What do the two speakers have in common?", "two", ("none", "one", "two"), "CS", True),
        ("What did the sad man lose?", "sadness", EMOTIONS, "C", False),  # content: nothing to leak
    ],
)
def test_a_label_in_the_question(question, label, options, kind, leaks):
    assert filters.leaks_label(item(question, label, kind=kind, label=label, options=options)) is leaks


def test_an_open_answer_s_emotion_is_looked_for_too():
    leaking = item("Why does the frightened speaker whisper?", "She is afraid of being heard.", label=None)
    assert filters.leaks_label(leaking)
    assert not filters.leaks_label(item("Why does the speaker whisper?", "She is afraid of being heard.", label=None))


@pytest.mark.parametrize(
    "question",
    [
        "According to the transcript, what was lost?",
        "What does the speaker say in the given text?",
        "Based on this passage, how does she feel?",
        "Which emotion tag fits the first words?",
        "How high is the valence at the start?",
        "What is said at the first time stamp?",
        "As written, what is lost?",
        "Was sagt die Sprecherin laut Transkript?",
        "根据文本,说话人丢了什么?",
    ],
)
def test_questions_that_presume_a_transcript(question):
    assert filters.presumes_transcript(item(question))


@pytest.mark.parametrize(
    "question",
    ["What does she text him?", "Why does she dominate the talk?", "What is on the label of the bottle?", "How long?"],
)
def test_questions_that_only_sound_like_it(question):
    assert not filters.presumes_transcript(item(question))


@pytest.mark.parametrize(
    ("words", "label", "options", "kind", "dropped"),
    [
        ("I am so happy today.", "happiness", EMOTIONS, "CE", True),
        (
            "I am so happy today.",
            "anger",
            EMOTIONS,
            "CE",
            False,
        ),  # the voice says something else: the best of questions
        ("I am not happy.", "happiness", EMOTIONS, "CE", False),
        ("I am a female engineer.", "female", GENDERS, "CG", True),
        ("He is a man of his word.", "male", GENDERS, "CG", False),
        ("I am so happy today.", "happiness", EMOTIONS, "C", False),
        ("Ich bin so traurig.", "sadness", EMOTIONS, "DE", True),
    ],
)
def test_a_label_in_the_transcript(words, label, options, kind, dropped):
    clip = Clip("a.wav", "ab" * 32, 3.0, "r", transcript=words)
    assert filters.in_transcript(item(label=label, options=options, kind=kind, clip=clip)) is dropped


@pytest.mark.parametrize(
    ("label", "valence", "arousal", "dropped"),
    [
        ("happiness", -0.21, None, True),  # .395 on the paper's scale: below .4
        ("happiness", -0.19, None, False),  # .405
        ("sadness", 0.0, None, True),  # .5
        ("sadness", -0.01, None, False),
        ("anger", -0.5, -0.6, True),
        ("anger", -0.5, 0.6, False),
        ("neutral", 0.9, 0.9, False),  # neither positive nor negative
        ("sadness", None, None, False),
    ],
)
def test_a_label_against_valence_and_arousal(label, valence, arousal, dropped):
    assert filters.against_levels(item(label=label, clip=measured(valence, arousal, label))) is dropped


def test_only_the_stretch_of_that_emotion_counts():
    tags = (Tag(0, 1, "g", {"sadness": 1.0}, valence=-0.5), Tag(1, 3, "g", {"happiness": 1.0}, valence=0.7))
    clip = Clip("a.wav", "ab" * 32, 3.0, "r", transcript="x", tags=tags)
    assert not filters.against_levels(item(label="sadness", clip=clip))
    assert not filters.against_levels(item(label="anger", clip=clip))  # of some stretch it may be said
    positive = Clip("a.wav", "ab" * 32, 3.0, "r", tags=tags[1:])
    assert filters.against_levels(item(label="anger", clip=positive))


def test_an_answer_that_says_another_label():
    assert filters.answer_against_label(item(answer="She sounds angry.", label="sadness"))
    assert not filters.answer_against_label(item(answer="Downcast, as her voice falls.", label="sadness"))
    assert not filters.answer_against_label(item(answer="No idea.", label="sadness"))


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("How does the speaker sound at the end?", "How does the speaker sound at the end", True),
        ("How does the speaker sound at the end?", "How does the speaker sound, at the very end?", True),
        ("How does the speaker sound at the end?", "How does the speaker sound at the start?", False),
        ('How is "keys" said?', 'How is "station" said?', False),  # another word is asked about
        ('With which feeling is "my keys" spoken?', 'With which feeling is "my keys" spoken out?', True),
    ],
)
def test_near_duplicates(a, b, same):
    assert nearly_same(item(a), item(b)) is same and nearly_same(item(b), item(a)) is same


def test_the_sieve_counts_by_name_and_passes_baseline_rows():
    sieve = Sieve()
    baseline = item("Why so sad?", generator=None)
    good, doubled = item("How does it sound when keys are named?"), item("How does it sound when keys are named")
    leaking, formless = item("Why so sad?"), item("")
    kept = list(sieve.sift([baseline, good, doubled, leaking, formless]))
    assert kept == [baseline, good]
    assert sieve.seen == {"": 1, "m": 4}
    assert sieve.dropped == {("m", NEAR): 1, ("m", "label in the question"): 1, ("m", "form and length"): 1}


def test_a_question_may_come_so_often_and_no_more():
    sieve = Sieve(most=2)
    same = [
        "How does the voice sound?",
        "How does the voice sound",
        "The voice, how does it sound?",
        "Sound the voice?",
    ]
    kept = [found for question in same * 2 for found in sieve.sift([item(question)])]
    assert len([one for one in kept if one.question.startswith("How")]) == 2
    assert sieve.dropped["m", TOO_OFTEN] == 2 and len(kept) == 6


def test_what_is_kept_of_what_was_seen_is_small():
    """Linear and little: some hundred bytes a question, whatever its length."""
    import tracemalloc

    sieve = Sieve(most=5)
    tracemalloc.start()
    for n in range(2000):
        asked = f"What is said about number {n}, {'and about this and that ' * 10}?"
        assert list(sieve.sift([item(asked, kind="C", label=None)]))
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used < 400_000
