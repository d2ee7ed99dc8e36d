import dataclasses
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpbench.data.splits import shares, split
from cpbench.errors import UsageError, UserError
from cpbench.records import Clip

PARTS = {"train": 0.8, "dev": 0.2}


def clip(speaker, words, n=0, recording=None):
    return Clip(f"{speaker}-{n}.wav", f"{speaker}{words}{n}", 1.0, recording or str(speaker), speaker, transcript=words)


def held(made, clips):
    """part -> its clips."""
    parts = defaultdict(list)
    for one in clips:
        parts[made.part(one)].append(one)
    return parts


def disjoint(parts, *, words=True):
    for name, own in parts.items():
        for other, theirs in parts.items():
            if name is not None and other is not None and name < other:
                assert not {w for one in own for w in str(one.speaker).split("+")} & {
                    w for one in theirs for w in str(one.speaker).split("+")
                }
                if words:
                    assert not {str(one.transcript).lower() for one in own} & {
                        str(one.transcript).lower() for one in theirs
                    }
    return True


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 25), st.integers(0, 30)), min_size=2, max_size=60),
    st.integers(0, 5),
)
def test_no_speaker_recording_or_sentence_is_in_two_parts(drawn, seed):
    clips = [clip(f"s{s}", f"Sentence {w}.", n, f"r{r}") for n, (s, w, r) in enumerate(drawn)]
    try:
        made = split(clips, PARTS, seed=seed)
    except UserError:
        return  # all hang together
    parts = held(made, clips)
    assert set(parts) == set(PARTS) and disjoint(parts)
    recordings = [{one.recording for one in own} for own in parts.values()]
    assert not recordings[0] & recordings[1]
    assert made == split(reversed(clips), PARTS, seed=seed)  # whatever the order


def test_shares_are_near_what_was_asked_where_groups_are_small():
    clips = [clip(f"s{n % 40}", f"w{n}", n) for n in range(400)]
    made = split(clips, PARTS)
    assert made.shares == pytest.approx({"train": 0.8, "dev": 0.2}, abs=0.03) and not made.remarks(PARTS)
    assert split(clips, PARTS, seed=1).speakers != made.speakers


def test_a_chain_of_shared_sentences_and_voices_stays_together():
    chain = [clip("a", "one"), clip("b", "ONE!"), clip("b", "two"), clip("c+d", "two"), clip("d", "three")]
    alone = [clip("x", "other"), clip("y", "another")]
    made = split([*chain, *alone], {"train": 0.7, "dev": 0.3})
    assert len({made.part(one) for one in chain}) == 1
    assert {made.part(one) for one in alone} != {made.part(chain[0])}


def test_where_every_speaker_says_every_sentence_it_is_said_and_crossed_leaves_clips_out():
    grid = [clip(f"s{s}", f"w{w}", s * 10 + w) for s in range(8) for w in range(10)]
    with pytest.raises(
        UserError, match=r"(?s)no clips are left for dev: 8 speakers with 10 sentences are 1 groups.*crossed"
    ):
        split(grid, PARTS)
    by_speaker = held(split(grid, PARTS, by="speaker"), grid)
    assert disjoint(by_speaker, words=False) and {len(own) for own in by_speaker.values()} == {60, 20}
    made = split(grid, {"train": 0.5, "dev": 0.5}, by="crossed")
    parts = held(made, grid)
    assert disjoint(parts) and len(parts["train"]) == len(parts["dev"]) == 4 * 5 and made.lost == len(parts[None]) == 40
    assert "40 clips are left out" in made.remarks({"train": 0.5, "dev": 0.5})[0]


def test_by_transcript_only():
    grid = [clip(f"s{s}", f"w{w}", s * 10 + w) for s in range(4) for w in range(10)]
    silent = [dataclasses.replace(clip(f"q{n}", "x", n), transcript=None) for n in range(4)]
    parts = held(split([*grid, *silent], PARTS, by="transcript"), [*grid, *silent])
    assert set(parts) == set(PARTS)
    assert not {one.transcript for one in parts["train"]} & {one.transcript for one in parts["dev"]} - {None}


def test_unknown_speakers_are_their_own_recordings():
    clips = [dataclasses.replace(clip(None, f"w{n}", n), recording=f"r{n // 2}") for n in range(20)]
    parts = held(split(clips, PARTS), clips)
    assert not {one.recording for one in parts["train"]} & {one.recording for one in parts["dev"]}


def test_a_large_group_is_said_to_spoil_the_shares():
    clips = [clip("big", f"w{n}", n) for n in range(90)] + [clip(f"s{n}", f"v{n}", n) for n in range(10)]
    made = split(clips, {"train": 0.5, "dev": 0.5})
    assert made.shares == {"train": 0.9, "dev": 0.1}
    assert "train 90% instead of 50%" in made.remarks({"train": 0.5, "dev": 0.5})[0]


@pytest.mark.parametrize("words", ["train", "train=x", "train=.5", "train=.9,dev=.2", "train=1.5,dev=-.5", "=1"])
def test_shares_that_are_none(words):
    with pytest.raises(UsageError):
        shares(words)
