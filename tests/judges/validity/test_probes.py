"""Probes: known answers to known questions, and simulated judges that pass and fail exactly what they should."""

from collections import Counter, defaultdict

import pytest

from cpbench.judges import load_judge
from cpbench.judges.validity.feelings import far, near, words
from cpbench.judges.validity.probes import BASE, HALF_MARKS, HEDGE_MARKS, KINDS, probes
from cpbench.labels import extract_label
from cpbench.lexicon import concept_of
from cpbench.records import Clip, Item

EMOTIONS = ("anger", "fear", "happiness", "neutral", "sadness")


def item(number, label, options=EMOTIONS, language="en"):
    said = f"Sentence {number} is about a lamp."
    clip = Clip(f"{number}.wav", f"{number:064d}", 2.0, f"r{number % 12}", transcript=said)
    question = "Which emotion does the voice express: anger, fear, happiness, neutral or sadness?"
    about = {"language": language, "type": "DE", "label": label, "options": options}
    return Item(f"i{number}", "t", (clip,), question, (f"The speaker sounds {label}.",), **about)


ITEMS = [item(number, EMOTIONS[number % 5]) for number in range(100)]
PROBES = list(probes(ITEMS))


def failures(kind):
    """The kinds of probes on which a simulated judge fails at least once."""
    judge, scores = load_judge(f"simulated:{kind}"), defaultdict(list)
    for probe in PROBES:
        (judged,) = judge.judge([probe.case])
        scores[probe.kind, probe.expects].append(judged.score)
    limit = {
        "right": lambda got: min(got) >= judge.correct_score,
        "same": lambda got: min(got) >= judge.correct_score,
        "wrong": lambda got: max(got) < judge.correct_score,
        "half": lambda got: max(got) <= HALF_MARKS,
        "capped": lambda got: sum(got) / len(got) <= HEDGE_MARKS,
        "reported": lambda got: True,
    }
    return {kind for (kind, expects), got in scores.items() if not limit[expects](got)}


def test_every_kind_has_its_sixty():
    assert Counter(probe.kind for probe in PROBES) == dict.fromkeys(KINDS, BASE)


def test_the_oracle_passes_all():
    assert failures("oracle") == set()


def test_the_gullible_judge_fails_claims_and_injections_only():
    assert failures("gullible") == {"CLAIM", "INJECT"}


def test_the_hedger_fails_the_hedge_only():
    assert failures("hedger") == {"HEDGE_ALL"}


def test_the_constant_judge_fails_what_it_must():
    assert {"FAR_SWAP", "ECHO", "INJECT", "CROSS_VOICE", "HEDGE_ALL"} <= failures("constant")


def test_a_label_is_read_from_what_is_worded_right_and_another_from_what_is_worded_wrong():
    for probe in PROBES:
        item = probe.case.item
        if probe.kind in ("GOLD", "GOLD_PARA", "GOLD_VERBOSE", "JSON_BREAK", "LANG"):
            assert extract_label(probe.case.answer, item.options) == item.label, probe
        if probe.kind in ("FAR_SWAP", "WRONG_VERBOSE", "CLAIM", "INJECT", "SWAPPED_GOLD"):
            assert extract_label(probe.case.answer, item.options) != item.label, probe


def test_a_crossed_answer_is_right_in_exactly_one_of_two_things():
    for probe in PROBES:
        if not probe.kind.startswith("CROSS"):
            continue
        (gold,), given = probe.case.item.references, probe.case.answer
        base = next(item for item in ITEMS if item.id == probe.item_id)
        same_words = f'"{base.clips[0].transcript}"' in given
        same_voice = given.endswith(f"sounds {words(base.label, 'en')[0]}.")
        assert gold.endswith(f"sounds {words(base.label, 'en')[0]}.")
        assert (same_words, same_voice) == ((True, False) if probe.kind == "CROSS_VOICE" else (False, True))


def test_a_refusal_is_shown_apart_where_the_voice_is_neutral():
    told = {(probe.expects, concept_of(str(probe.case.item.label))) for probe in PROBES if probe.kind == "REFUSAL"}
    assert ("reported", "neutral") in told
    assert all((expects == "reported") == (concept == "neutral") for expects, concept in told)


def test_the_same_seed_gives_the_same_probes_and_recordings_take_turns():
    assert list(probes(ITEMS)) == PROBES
    assert list(probes(ITEMS, seed=1)) != PROBES
    used = Counter(int(probe.item_id[1:]) % 12 for probe in PROBES if probe.kind == "GOLD")
    assert max(used.values()) - min(used.values()) <= 3


def test_chinese_items_are_answered_in_chinese():
    found = list(probes([item(number, EMOTIONS[number % 5], language="zh") for number in range(10)]))
    gold = next(probe for probe in found if probe.kind == "GOLD")
    assert gold.case.answer.startswith("说话人听起来")
    other = next(probe for probe in found if probe.kind == "LANG")
    assert other.case.answer.startswith("The speaker")


def test_items_that_cannot_be_worded_give_no_probes():
    assert list(probes([item(1, "zesty", options=("zesty", "bland"))])) == []
    assert list(probes([])) == []


@pytest.mark.parametrize(
    ("label", "away"), [("happiness", "sadness"), ("sadness", "happiness"), ("anger", "happiness")]
)
def test_what_is_far_is_of_the_other_sign(label, away):
    assert far(label, EMOTIONS) == away


def test_near_is_near_and_genders_are_far_from_each_other():
    assert near("anger", EMOTIONS) == "fear"
    assert far("male", ("male", "female")) == "female"


def test_every_word_is_read_as_its_own_concept():
    """In both languages, and otherwise put too: else an oracle would not know its own gold."""
    for concept in ("anger", "happiness", "sadness", "fear", "disgust", "surprise", "neutral", "boredom", "contempt"):
        options = tuple({concept, "anger", "happiness", "sadness"})
        for language in ("en", "zh"):
            for word in words(concept, language):
                assert extract_label(word, options) == concept, (concept, word)


def test_a_judge_that_hears_is_played_another_voice():
    heard = [probe for probe in probes(ITEMS, hears=True) if probe.kind == "AUDIO_SWAP"]
    items = {item.id: item for item in ITEMS}
    assert len(heard) == BASE and {probe.expects for probe in heard} == {"reported"}
    voices = {item.clips: item for item in ITEMS}
    for probe in heard:
        mine, theirs = items[probe.item_id], voices[probe.case.item.clips]
        assert theirs.label != mine.label and theirs.recording != mine.recording
        assert probe.case.item.references == mine.references
