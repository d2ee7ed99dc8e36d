"""Tags in the prompt: of whom, wrong ones, and what they give away."""

import pytest

from cpbench.conditions import present, presented
from cpbench.errors import UserError
from cpbench.records import Clip, Item, Setting, Tag


def tag(start, end, label, source="gold", **known):
    return Tag(start, end, source, {label: 1.0} if isinstance(label, str) else label, **known)


def item(id, *tags, type="C"):
    return Item(id, "t", (Clip(f"{id}.wav", id, 4.0, id, tags=tags),), "Who?", ("x",), type=type)


def texts(items, condition, **known):
    return [request.text for request in present(items, condition, Setting(**known))]


def test_gold_tags_in_order_of_time_and_in_the_checkpoint_s_own_template():
    one = item("a", tag(2, 4, "sad"), tag(0, 2.06, {"glad": 0.6, "sad": 0.4}))
    assert texts([one], "tags:gold") == ["Emotion tags: [0.0-2.1 s: glad] [2.0-4.0 s: sad]\nWho?"]
    assert texts([one], "tags:gold", tag_template="<{tags}> {text}")[0].startswith("<[0.0-2.1 s: glad]")
    (request,) = present([one], "tags:gold", Setting())
    assert request.told == ("glad", "sad") and request.flags == ()


def test_none_is_the_plain_question():
    assert texts([item("a", tag(0, 4, "sad"), type="DE")], "tags:none") == ["Who?"]
    assert present([item("a", tag(0, 4, "sad"), type="DE")], "tags:none", Setting())[0].flags == ()


def test_direct_emotion_questions_are_flagged_as_leaked():
    items = [item("a", tag(0, 4, "sad"), type="DE"), item("b", tag(0, 4, "glad"), type="CE")]
    for condition in ("tags:gold", "tags:wrong", "tags:gold+shuffled"):
        assert [request.flags for request in present(items, condition, Setting())] == [("leaked",), ()]


def test_a_wrong_tag_is_never_what_any_tag_of_that_time_says():
    labels = ["anger", "fear", "joy", "sadness", "neutral"]
    items = [item(f"x{n}", tag(0, 4, labels[n % 5])) for n in range(40)]
    items += [item(f"y{n}", tag(0, 3, labels[n % 5]), tag(2, 4, labels[(n + 1) % 5])) for n in range(40)]
    requests = {request.item_id: request for request in present(items, "tags:wrong", Setting(seed=1))}
    for one in items:
        gold, told = {*map(first, one.clips[0].tags)}, requests[one.id].told
        assert len(told) == len(one.clips[0].tags) and not gold & {*told}
    assert {label for request in requests.values() for label in request.told} == {*labels}
    again = {request.item_id: request.told for request in present(items[::-1], "tags:wrong", Setting(seed=1))}
    assert again == {id: request.told for id, request in requests.items()}
    other = {request.item_id: request.told for request in present(items, "tags:wrong", Setting(seed=2))}
    assert other != again


def first(one):
    return next(iter(one.emotion))


def test_apart_in_time_a_tag_may_be_wrong_as_its_neighbour_is_right():
    one = item("a", tag(0, 2, "sad"), tag(2, 4, "glad"))
    assert texts([one], "tags:wrong") == ["Emotion tags: [0.0-2.0 s: glad] [2.0-4.0 s: sad]\nWho?"]
    both = item("b", tag(0, 2, "sad"), tag(1, 4, "glad"))
    assert presented([one, both], "tags:wrong", Setting()).left_out == {
        "they have no such emotion tags, or there is no other emotion to say instead": ("b",)
    }
    with pytest.raises(UserError, match="every tag says sad"):
        present([item("a", tag(0, 2, "sad"))], "tags:wrong", Setting())


def test_a_source_is_known_with_or_without_its_revision_and_by_the_spec_that_named_it():
    one = item("a", tag(0, 4, "sad"), tag(0, 4, "glad", source="ear@2"))
    for condition, known in (("tags:ear", {}), ("tags:ear@2", {}), ("tags:my/spec", {"my/spec": "ear@2"})):
        assert texts([one], condition, annotators=known) == ["Emotion tags: [0.0-4.0 s: glad]\nWho?"]
    for condition in ("tags:ear@1", "tags:other"):
        with pytest.raises(UserError, match="none of 1 items has emotion tags"):
            present([one], condition, Setting())


def test_a_tag_without_a_label_says_what_it_measures():
    one = item("a", tag(0, 4, {}, source="meter", arousal=0.42, valence=-0.5))
    (request,) = present([one], "tags:meter", Setting())
    assert request.text == "Emotion tags: [0.0-4.0 s: valence -0.5, arousal +0.4]\nWho?" and request.told == ()
    with pytest.raises(UserError, match="none of 1 items"):
        present([item("a", tag(0, 4, {}, source="meter"))], "tags:meter", Setting())


def test_tags_are_those_of_what_is_played_and_compose_with_the_words():
    items = [item("a", tag(0, 4, "sad")), item("b", tag(0, 4, "glad"))]
    assert "glad" in texts(items, "shuffled+tags:gold")[0] and "sad" in texts(items, "tags:gold+shuffled")[0]
    clip = Clip("a.wav", "a", 4.0, "a", transcript="hello", tags=(tag(0, 4, "sad"),))
    one = Item("a", "t", (clip,), "Who?", ("x",))
    assert texts([one], "transcript+tags:gold") == ['Emotion tags: [0.0-4.0 s: sad]\nTranscript: "hello"\nWho?']


def test_items_without_tags_are_left_out_and_none_at_all_is_an_error():
    assert list(presented([item("a", tag(0, 4, "sad")), item("b")], "tags:gold", Setting()).left_out.values()) == [
        ("b",)
    ]
    with pytest.raises(UserError, match="`emotion` in items"):
        present([item("b")], "tags:gold", Setting())
