"""cpbench data condense: every filter on windows whose fate is worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cpbench.data.condense import Condensed, Settings, condense
from cpbench.errors import UsageError, UserError
from cpbench.formats.clips import read_clips, write_clips
from cpbench.records import Clip, Tag

EVERYTHING = {"balance": None, "keep_neutral": True, "min_windows": 1}


def said(source: str, *labels: str | None, valence: float | None = None, sure: float = 0.8) -> list[Tag]:
    """A tag of two seconds for each label, the rest of its probability on surprise; None: nothing is said there."""
    return [
        Tag(2.0 * n, 2.0 * n + 2, source, {label: sure, "surprise": round(1 - sure, 6)}, valence)
        for n, label in enumerate(labels)
        if label is not None
    ]


def valued(*levels: float | None) -> list[Tag]:
    """Valence from 0 to 1 as papers have it, stored from -1 to 1."""
    return [
        Tag(2.0 * n, 2.0 * n + 2, "levels@1", {}, round(2 * level - 1, 6), 0.5, scale=(0.0, 1.0))
        for n, level in enumerate(levels)
        if level is not None
    ]


def a_clip(name: str, *tags: list[Tag], windows: int = 2, recording: str = "r") -> Clip:
    return Clip(f"/sounds/{name}.wav", name, 2.0 * windows, recording, tags=tuple(tag for some in tags for tag in some))


def condensed(folder: Path, *clips: Clip, **settings: object) -> tuple[Condensed, dict[str, Clip]]:
    write_clips(clips, folder / "clips.jsonl")
    result = condense(folder / "clips.jsonl", folder / "out.jsonl", Settings(**(EVERYTHING | settings)))  # type: ignore[arg-type]
    return result, {one.sha256 or "": one for one in read_clips(folder / "out.jsonl")}


def removed(result: Condensed, name: str) -> tuple[dict[str, int], dict[str, int]]:
    (step,) = [step for step in result.steps if step.name == name]
    return dict(step.clips_removed), dict(step.windows_removed)


def spans(clip: Clip) -> list[tuple[float, str]]:
    return [(tag.start, max(tag.emotion, key=lambda label: tag.emotion[label])) for tag in clip.tags]


def test_a_majority_of_three_and_all_of_three(tmp_path):
    clip = a_clip(
        "a",
        said("x@1", "anger", "anger", "anger", "anger"),
        said("y@1", "anger", "anger", "fear", None),
        said("z@1", "anger", "fear", "sadness", "anger"),
        windows=4,
    )
    result, kept = condensed(tmp_path, clip)
    assert spans(kept["a"]) == [(0, "anger"), (2, "anger"), (6, "anger")]
    assert removed(result, "agreement") == ({}, {"anger": 1})  # one vote each: the first by name of equals
    _, kept = condensed(tmp_path, clip, agreement="all")
    assert spans(kept["a"]) == [(0, "anger")]


def test_two_who_differ_are_no_majority(tmp_path):
    clip = a_clip("a", said("x@1", "anger", "fear"), said("y@1", "fear", "fear"))
    _, kept = condensed(tmp_path, clip)
    assert spans(kept["a"]) == [(2, "fear")]


def test_valence_must_fit_the_category(tmp_path):
    """The thresholds themselves are kept: positive from 0.5, negative up to 0.4; neutral and surprise are not held."""
    labels = ["happiness", "happiness", "anger", "anger", "anger", "neutral", "surprise", "sadness"]
    levels = [0.5, 0.49, 0.4, 0.41, 0.9, 0.9, 0.0, None]
    clip = a_clip("a", said("x@1", *labels), valued(*levels), windows=8)
    result, kept = condensed(tmp_path, clip, context=0.0)
    assert spans(kept["a"]) == [(0, "happiness"), (4, "anger"), (10, "neutral"), (12, "surprise")]
    assert removed(result, "valence") == ({}, {"anger": 2, "happiness": 1, "sadness": 1})
    _, kept = condensed(tmp_path, clip, context=0.0, positive_from=0.49, negative_to=0.41)
    assert [start for start, _ in spans(kept["a"])] == [0, 2, 4, 6, 10, 12]


def test_without_any_valence_that_filter_says_that_it_did_nothing(tmp_path):
    result, _ = condensed(tmp_path, a_clip("a", said("x@1", "anger", "anger")))
    assert [step.rule for step in result.steps if step.name == "valence"] == ["not applied: no annotator gives valence"]


def test_an_emotion_must_occur_often_enough_in_its_clip(tmp_path):
    clips = [
        a_clip("often", said("x@1", "anger", "anger", "fear"), windows=3),
        a_clip("once", said("x@1", "anger", "fear", "neutral"), windows=3),
        a_clip("short", said("x@1", "sadness"), windows=1),
    ]
    result, kept = condensed(tmp_path, *clips, min_windows=2)
    assert {name: spans(one) for name, one in kept.items()} == {
        "often": [(0, "anger"), (2, "anger")],
        "short": [(0, "sadness")],
    }
    assert removed(result, "occurrence") == ({"anger": 1}, {"anger": 1, "fear": 2, "neutral": 1})


def test_clips_of_nothing_but_neutral_go_and_neutral_windows_of_others_stay(tmp_path):
    clips = [
        a_clip("dull", said("x@1", "neutral", "neutral")),
        a_clip("rich", said("x@1", "neutral", "neutral", "fear"), windows=3),
    ]
    result, kept = condensed(tmp_path, *clips, keep_neutral=False)
    assert {name: spans(one) for name, one in kept.items()} == {"rich": [(0, "neutral"), (2, "neutral"), (4, "fear")]}
    assert removed(result, "neutral") == ({"neutral": 1}, {"neutral": 2})
    assert result.clips == {"fear": 1}


def test_the_balance_draws_by_seed_and_spares_the_recordings(tmp_path):
    clips = [a_clip(f"a{n}", said("x@1", "anger", "anger"), recording=f"r{n % 3}") for n in range(9)]
    clips += [a_clip(f"f{n}", said("x@1", "fear", "fear"), recording=f"r{n}") for n in range(3)]
    result, kept = condensed(tmp_path, *clips, balance=1.0)
    assert result.clips == {"anger": 3, "fear": 3}
    assert {one.recording for name, one in kept.items() if name.startswith("a")} == {"r0", "r1", "r2"}
    assert removed(result, "balance") == ({"anger": 6}, {"anger": 12})
    drawn = {tuple(sorted(condensed(tmp_path, *clips, balance=1.0, seed=seed)[1])) for seed in range(5)}
    assert len(drawn) > 1
    assert condensed(tmp_path, *reversed(clips), balance=1.0)[1].keys() == kept.keys()
    assert condensed(tmp_path, *clips, balance=2.0)[0].clips == {"anger": 6, "fear": 3}
    assert condensed(tmp_path, *clips, balance=1.0, min_clips=4)[0].clips == {"anger": 9}


def test_what_is_kept_is_the_mean_of_those_who_agree_with_levels_and_words(tmp_path):
    tags = [
        Tag(0, 2, "x@1", {"anger": 0.9, "fear": 0.1}, text="so what"),
        Tag(0, 2, "y@2", {"anger": 0.6, "fear": 0.4}),
        Tag(0, 2, "z@3", {"anger": 0.2, "fear": 0.8}),
        Tag(0, 2, "v@1", {}, -0.5, 0.5, 0.25),
        Tag(0, 2, "w@1", {}, -0.7, None, None),
    ]
    result, kept = condensed(tmp_path, a_clip("a", tags, windows=1))
    (tag,) = kept["a"].tags
    assert dict(tag.emotion) == {"anger": pytest.approx(0.75), "fear": pytest.approx(0.25)}
    assert (tag.valence, tag.arousal, tag.dominance, tag.text) == (pytest.approx(-0.6), 0.5, 0.25, "so what")
    assert tag.source == result.source and tag.source.startswith("ensemble@")
    _, kept = condensed(tmp_path, a_clip("a", tags, windows=1), keep_tags=True)
    assert [tag.source for tag in kept["a"].tags] == [
        "x@1",
        "y@2",
        "z@3",
        "v@1",
        "w@1",
        result.source[:9] + kept["a"].tags[-1].source[9:],
    ]


def test_tags_of_other_stretches_count_by_the_seconds_they_share(tmp_path):
    """A window from 0 to 2: 1.5 s of anger at .6 and 0.5 s of fear at .9 make .45 against .225."""
    own = [Tag(0, 1.5, "x@1", {"anger": 0.6}), Tag(1.5, 4, "x@1", {"fear": 0.9})]
    _, kept = condensed(tmp_path, a_clip("a", own))
    assert spans(kept["a"]) == [(0, "anger"), (2, "fear")]
    assert dict(kept["a"].tags[0].emotion) == {"anger": pytest.approx(0.45), "fear": pytest.approx(0.225)}


def test_one_who_says_nothing_of_a_window_is_heard_from_its_context(tmp_path):
    clip = a_clip("a", said("x@1", "anger", "anger"), [Tag(2.4, 4, "y@1", {"anger": 1.0})])
    assert spans(condensed(tmp_path, clip)[1]["a"]) == [(0, "anger"), (2, "anger")]
    assert spans(condensed(tmp_path, clip, context=0.3)[1]["a"]) == [(2, "anger")]


def test_labels_of_different_sets_meet_where_one_takes_in_the_other(tmp_path):
    """The one who knows no excitement calls it happiness; labels in other spellings are the same emotions."""
    clip = a_clip(
        "a", [Tag(0, 2, "x@1", {"Excited": 0.9, "ang": 0.1})], [Tag(0, 2, "y@1", {"joy": 0.8, "Wut": 0.2})], windows=1
    )
    assert spans(condensed(tmp_path, clip)[1]["a"]) == [(0, "happiness")]


def test_who_votes_can_be_chosen(tmp_path):
    clip = a_clip("a", said("x@1", "anger"), said("gold", "fear"), said("y@1", "fear"), valued(0.1), windows=1)
    assert spans(condensed(tmp_path, clip)[1]["a"]) == [(0, "fear")]
    assert spans(condensed(tmp_path, clip, categorical=("x",))[1]["a"]) == [(0, "anger")]
    with pytest.raises(
        UsageError, match=r"--categorical: no annotator in the file is called 'golt' .did you mean 'gold'"
    ):
        condensed(tmp_path, clip, categorical=("golt",))
    with pytest.raises(UsageError, match="--valence: no annotator in the file is called 'x'"):
        condensed(tmp_path, clip, valence=("x",))


def test_the_table_adds_up_and_lies_beside_the_output(tmp_path):
    clips = [
        a_clip("a", said("x@1", "anger", "fear"), said("y@1", "anger", "anger"), valued(0.1, 0.1)),
        a_clip("b", said("x@1", "happiness", "happiness"), said("y@1", "happiness", "happiness"), valued(0.1, 0.1)),
        a_clip("c", said("x@1", "<unk>", "anger"), said("y@1", "<unk>", "anger"), valued(0.1, 0.1)),
        a_clip("silent", valued(0.1, 0.1)),
    ]
    result, kept = condensed(tmp_path, *clips)
    assert sorted(kept) == ["a", "c"]
    table = json.loads((tmp_path / "out.condense.json").read_text())
    assert [step["name"] for step in table["steps"]] == [
        "input",
        "annotated",
        "agreement",
        "emotion",
        "valence",
        "occurrence",
    ]
    for before, after in zip(table["steps"], table["steps"][1:], strict=False):
        assert before["clips"] - after["clips"] == sum(after["clips_removed"].values())
        assert before["windows"] - after["windows"] == sum(after["windows_removed"].values())
    assert removed(result, "annotated") == ({"none": 1}, {"none": 2})
    assert removed(result, "emotion") == ({}, {"<unk>": 1})
    assert removed(result, "valence") == ({"happiness": 1}, {"happiness": 2})
    assert table["settings"]["positive_from"] == 0.5 and table["sources"] == ["levels@1", "x@1", "y@1"]
    text = (tmp_path / "out.condense.txt").read_text()
    assert [line.split()[0] for line in text.splitlines()] == ["filter", *(step["name"] for step in table["steps"])]


def test_the_same_work_gives_the_same_bytes(tmp_path):
    clips = [a_clip(f"{n}", said("x@1", "anger" if n % 3 else "fear"), windows=1) for n in range(9)]
    held = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        condensed(tmp_path / name, *clips, balance=1.0)
        held.append([(tmp_path / name / file).read_bytes() for file in ("out.condense.json", "out.condense.txt")])
    assert held[0] == held[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"emotions": ("surprise",)}, r"after the filter 'emotion' \(one of surprise\)(?s:.*)--emotion"),
        ({"min_probability": 0.9}, r"after the filter 'probability'(?s:.*)a lower --min-probability"),
        ({"negative_to": 0.05}, r"after the filter 'valence'(?s:.*)a higher --negative-to"),
        ({"min_clips": 3}, r"after the filter 'rarity'(?s:.*)a lower --min-clips"),
    ],
)
def test_where_nothing_is_left_the_filter_and_what_mends_it_are_named(tmp_path, settings, message):
    with pytest.raises(UserError, match=message):
        condensed(tmp_path, a_clip("a", said("x@1", "anger", "anger"), valued(0.1, 0.1)), **settings)
    assert not (tmp_path / "out.jsonl").exists()


def test_only_neutral_is_named_as_such(tmp_path):
    with pytest.raises(UserError, match=r"after the filter 'neutral'(?s:.*)--keep-neutral"):
        condensed(tmp_path, a_clip("a", said("x@1", "neutral", "neutral")), keep_neutral=False)


def test_annotators_that_share_no_label_and_clips_without_categories(tmp_path):
    numbers = [Tag(0, 2, "y@1", {"0": 0.5, "1": 0.5})]
    with pytest.raises(
        UserError, match=r"x \(anger, surprise\) and y \(0, 1\) share no label(?s:.*)--categorical NAME"
    ):
        condensed(tmp_path, a_clip("a", said("x@1", "anger"), numbers, windows=1))
    with pytest.raises(UserError, match=r"only levels@1(?s:.*)--annotator classifier/PATH"):
        condensed(tmp_path, a_clip("a", valued(0.1)))
    with pytest.raises(UserError, match="the clips have no tags at all"):
        condensed(tmp_path, a_clip("a"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"balance": 0.5}, "--balance is at least 1"),
        ({"positive_from": 3.0}, "--positive-from is between 0 and 1"),
        ({"emotions": ("angry",)}, "not an emotion in our spelling: 'angry' .did you mean 'anger'"),
        ({"positive": ("anger",)}, "both positive and negative: 'anger'"),
        ({"window": 0.0}, "longer than 0 s"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(UsageError, match=message):
        Settings(**settings)
