"""The listening report: numbers against sklearn and by hand, verdicts that chance alone never gives, and two doubles
through the command line, one deaf and one that hears perfectly."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score

from cpbench.comparison import Judged, listening
from cpbench.records import Clip, Item, Judgement, Outcome, Request, Rights, Task

DOUBLES = Path(__file__).with_name("doubles.py")
EMODB = Path(__file__).resolve().parents[2] / "../shared/data/emodb/cpqa.jsonl"
EMOTIONS = ("anger", "happiness", "sadness")
TASK = Task("set", "1", "", ("accuracy", "balanced_accuracy", "overlap_score"), Rights(text_in_report=True))


def items(recordings=12, each=5, *, qtype="DE", seed=0):
    """Items of so many recordings, each about a clip of its own; of type C without labels."""
    draw = random.Random(seed)
    made = []
    for r in range(recordings):
        for n in range(each):
            key = f"{qtype}-{r}-{n}"
            label = draw.choice(EMOTIONS)
            clip = Clip(f"{key}.wav", f"{key:0>64}", 2.0, f"r{r}", transcript=f"words {key}")
            known = {"label": label, "options": EMOTIONS} if qtype != "C" else {}
            reference = label if qtype != "C" else f"lamp {r} {n}"
            made.append(Item(key, "set", (clip,), f"{key}?", (reference,), type=qtype, **known))
    return made


def column(asked, condition, answer, **request):
    """What is answered under a condition: `answer` is a function of the item."""
    return [
        Outcome(
            item, Request(item.id, "set", condition, item.question, (), **request).answered(answer(item), heard=1.0)
        )
        for item in asked
    ]


def truth(item):
    return item.references[0]


def habit(item):
    return "sadness"


def guess(seed):
    draw = random.Random(seed)
    return lambda item: draw.choice(EMOTIONS)


def report(*columns, task=TASK, **known):
    outcomes = [outcome for each in columns for outcome in each]
    main = known.pop("main", "audio")
    return listening(outcomes, [task], [one.item for one in columns[0]], main=main, **known)


def test_gaps_are_the_paired_differences_corrected_for_the_conditions():
    asked = items()
    said = {"audio": guess(1), "silence": habit, "shuffled": guess(2)}
    found = report(*(column(asked, condition, answer) for condition, answer in said.items()))
    assert [gap.b for gap in found.gaps] == ["shuffled", "silence"]  # those with another clip come first
    for gap in found.gaps:
        values = []
        for condition in ("audio", gap.b):
            fresh = {"audio": guess(1), "shuffled": guess(2), "silence": habit}[condition]
            values.append(balanced_accuracy_score([one.label for one in asked], [fresh(one) for one in asked]))
        assert gap.metric == "balanced_accuracy" and gap.n == 60 and gap.recordings == 12
        assert (gap.value_a, gap.value_b) == pytest.approx(tuple(values))
        assert gap.difference == pytest.approx(values[0] - values[1]) and gap.low < gap.difference < gap.high
    low, high = sorted(gap.p for gap in found.gaps)
    assert sorted(gap.p_holm for gap in found.gaps) == pytest.approx([min(2 * low, 1), max(min(2 * low, 1), high)])


def test_a_model_that_ignores_the_clip_is_told_so_and_nothing_is_claimed():
    asked = items()
    same = guess(3)
    by_item = {item.id: same(item) for item in asked}
    conditions = ("audio", "shuffled", "silence", "transcript")
    found = report(*(column(asked, condition, lambda item: by_item[item.id]) for condition in conditions))
    (one,) = found.verdicts
    (said,) = found.plain()["verdicts"]
    assert (one.hearing, one.words) == ("not shown", "not shown")
    assert "Every answer under audio is the one under shuffled and silence" in said["sentence"]
    assert "nothing shows that this model uses what is in the clip" in said["sentence"]
    assert all(each.equal == 1.0 and each.kappa == 1.0 for each in found.agreements)


def test_a_model_that_listens_is_above_another_clip_and_above_the_words():
    asked = items()
    found = report(
        column(asked, "audio", truth),
        column(asked, "shuffled", guess(1)),
        column(asked, "silence", habit),
        column(asked, "transcript", habit),
    )
    (one,) = found.verdicts
    assert (one.hearing, one.words, one.against) == ("listens", "above the words", "other")
    assert all(gap.shown == "above" for gap in found.gaps)
    spoken = next(said for said in found.plain()["gaps"] if said["b"] == "transcript")
    assert "a model may read worse than it listens" in spoken["sentence"]


def test_better_than_silence_but_as_good_with_any_clip_is_not_listening():
    asked = items()
    draw = guess(4)
    half = {item.id: truth(item) if n % 2 else draw(item) for n, item in enumerate(asked)}
    found = report(
        column(asked, "audio", lambda item: half[item.id]),
        column(asked, "shuffled", lambda item: half[item.id]),
        column(asked, "silence", lambda item: "none of them"),
    )
    (said,) = found.plain()["verdicts"]
    assert said["hearing"] == "not shown" and "but any will do" in said["sentence"]


def test_words_suffice_where_they_lift_the_score_and_the_clip_adds_little():
    asked = items(qtype="C", recordings=20)
    found = report(
        column(asked, "audio", truth),
        column(asked, "silence", lambda item: "nothing"),
        column(asked, "transcript", truth),
    )
    (one,) = found.verdicts
    assert one.metric == "overlap_score" and (one.hearing, one.words) == ("listens", "words suffice")
    assert "The words suffice for this model" in found.plain()["verdicts"][0]["sentence"]
    worse = report(
        column(asked, "audio", truth),
        column(asked, "silence", lambda item: "nothing"),
        column(asked, "transcript", lambda item: truth(item) if item.id.endswith(("1", "2", "3")) else "nothing"),
    )
    assert worse.verdicts[0].words == "above the words"


@pytest.mark.parametrize(("recordings", "p"), [(4, "0.125"), (1, None)])
def test_few_recordings_show_nothing_however_large_the_difference(recordings, p):
    asked = items(recordings, 20)
    found = report(column(asked, "audio", truth), column(asked, "silence", habit), column(asked, "transcript", habit))
    (said,) = found.plain()["verdicts"]
    assert said["hearing"] == said["words"] == "cannot be shown"
    assert {gap.shown for gap in found.gaps} == {"cannot_be_shown"}
    if p:
        assert (
            f"{recordings} recordings allow no significant test (the smallest two-sided sign-flip p is {p}"
            in (said["sentence"])
        )
    else:
        assert "1 recording allows no test" in said["sentence"]


def test_four_speakers_stay_four_where_they_share_their_sentences():
    asked = [replace(item, words=item.id[-1]) for item in items(4, 10)]
    found = report(column(asked, "audio", truth), column(asked, "silence", habit))
    assert found.gaps[0].p >= 0.125 and found.gaps[0].shown == "cannot_be_shown"


def test_guessing_is_called_listening_no_more_often_than_chance_allows():
    asked = items(15, 4)
    draw = random.Random(11)
    called = 0
    for _ in range(60):
        columns = [column(asked, condition, guess(draw.random())) for condition in ("audio", "shuffled", "silence")]
        called += report(*columns).verdicts[0].hearing == "listens"
    assert called <= 6  # of 60; one side of a 5 % test, so 1.5 are expected at most, and over 6 have a chance of .001


def test_items_that_need_their_clip_and_items_that_do_not():
    asked = items(8, 3)
    told = {item.id: item.label for item in asked}
    always, only = asked[0].id, asked[1].id
    wrong = {item.id: next(label for label in EMOTIONS if label != item.label) for item in asked}
    found = report(
        column(asked, "audio", lambda item: told[item.id] if item.id in (always, only) else wrong[item.id]),
        column(asked, "silence", lambda item: told[item.id] if item.id == always else wrong[item.id]),
        column(asked, "transcript", lambda item: told[item.id] if item.id == always else wrong[item.id]),
        column(asked, "prefix:1", lambda item: wrong[item.id]),  # the clip is played: it does not count
    )
    (one,) = found.needs
    assert one.conditions == ("silence", "transcript") and one.n == 24
    assert one.always == (always,) and one.only == (only,)
    assert one.always_by_chance == pytest.approx(24 * (2 / 24) * (1 / 24) ** 2)
    assert one.only_by_chance == pytest.approx(24 * (2 / 24) * (23 / 24) ** 2)
    (example,) = one.examples
    assert example.question == f"{only}?" and example.answers["silence"] == wrong[only]
    shy = report(column(asked, "audio", truth), column(asked, "silence", habit), task=replace(TASK, rights=Rights()))
    assert all(each.question is None and not each.answers for each in shy.needs[0].examples)
    assert "anger" not in json.dumps(shy.plain())


def test_agreement_is_cohens_kappa_and_the_share_of_equal_answers():
    asked = items()
    first, second = ([each(item) for item in asked] for each in (guess(5), guess(6)))
    one = report(column(asked, "audio", guess(5)), column(asked, "silence", guess(6))).agreements[0]
    assert one.equal == pytest.approx(np.mean([a == b for a, b in zip(first, second, strict=True)]))
    assert one.kappa == pytest.approx(cohen_kappa_score(first, second))
    texts = items(qtype="C")
    spoken = report(column(texts, "audio", lambda item: "A lamp."), column(texts, "silence", lambda item: "a LAMP"))
    assert (spoken.agreements[0].equal, spoken.agreements[0].by, spoken.agreements[0].kappa) == (1.0, "text", None)


def test_a_judge_counts_where_there_are_no_labels():
    asked = items(qtype="C")

    def judged(outcomes, points):
        return [
            replace(one, judgements=(Judgement("k", one.item.id, "set", "", "", "j", "ok", points),))
            for one in outcomes
        ]

    columns = [column(asked, "audio", truth), column(asked, "silence", habit)]
    scored = [one for part, points in zip(columns, (80.0, 20.0), strict=True) for one in judged(part, points)]
    found = report(*columns, judged=[Judged("the judge", "j", 60.0, scored)])
    assert [(gap.metric, gap.judge, gap.difference) for gap in found.gaps] == [("judge_score", "the judge", 60.0)]
    assert len(found.needs[0].only) == len(asked)
    labelled = items()
    columns = [column(labelled, "audio", truth), column(labelled, "silence", habit)]
    scored = [one for part in columns for one in judged(part, 50.0)]
    both = report(*columns, judged=[Judged("the judge", "j", 60.0, scored)])
    assert [gap.metric for gap in both.gaps] == ["balanced_accuracy", "judge_score"]


def test_tags_beside_the_voice_are_no_evidence_of_hearing():
    asked = items()
    found = report(
        column(asked, "tags:gold", truth, told=("anger",)),
        column(asked, "silence", habit),
        main="tags:gold",
    )
    assert found.gaps[0].confounded and found.verdicts[0].hearing == "not asked"
    assert "says nothing of the clip" in found.plain()["gaps"][0]["sentence"]
    both = report(
        column(asked, "tags:gold", truth, told=("anger",)),
        column(asked, "audio", truth),
        column(asked, "silence", habit),
        main="tags:gold",
    )
    assert [(gap.a, gap.b, gap.confounded) for gap in both.gaps] == [("audio", "silence", False)]
    assert both.verdicts[0].hearing == "listens" and both.needs[0].main == "audio"
    assert [(gap.a, gap.b) for gap in both.told] == [("tags:gold", "audio")]


def test_lost_items_are_counted_and_the_report_is_plain_json():
    asked = items()
    broken = [
        replace(one, prediction=replace(one.prediction, status="error", answer=""))
        for one in column(asked, "audio", truth)
    ]
    found = report([*broken[:6], *column(asked[6:], "audio", truth)], column(asked[:-4], "silence", habit))
    assert found.gaps[0].lost == 10 and found.gaps[0].n == 50
    json.dumps(found.plain(), allow_nan=False)
    none = report(broken, column(asked, "silence", habit))
    assert none.gaps[0].shown == "no_number" and json.dumps(none.plain(), allow_nan=False)
    assert report(column(asked, "audio", truth)) is None


@pytest.fixture
def tones(tmp_path):
    """tones(recordings) -> an items.jsonl: two tones a recording, low and high, each asked about twice."""

    def make(recordings=10):
        lines = []
        for r in range(recordings):
            for n, (label, pitch) in enumerate((("low", 200), ("high", 500))):
                wave = 0.4 * np.sin(2 * np.pi * pitch * np.arange(4000 + 40 * r) / 16000)
                soundfile.write(tmp_path / f"{r}-{n}.wav", wave.astype(np.float32), 16000)
                line = {"audio": f"{r}-{n}.wav", "references": [label], "type": "DE", "label": label}
                line |= {"recording": f"r{r}", "transcript": f"tone {r} {n}", "options": ["low", "high"]}
                lines += [{"id": f"{r}-{n}-{q}", "question": f"High or low {q}?", **line} for q in range(2)]
        path = tmp_path / "tones.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    return make


CONDITIONS = [word for name in ("audio", "silence", "shuffled", "transcript") for word in ("--condition", name)]


def test_a_model_whose_audio_path_is_cut_is_caught_by_the_check_and_by_the_report(tones, cpbench):
    flags = ("run", "--model", f"{DOUBLES}:Cut", "--tasks", tones(), *CONDITIONS)
    stopped = cpbench(*flags, "--out", "a")
    assert stopped.returncode == 1 and "no audio enters the encoder" in stopped.stderr
    done = cpbench(*flags, "--out", "b", "--no-hearing-check")
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert "Not shown: nothing shows that this model uses what is in the clip" in shown
    assert "Every answer under audio is the one under shuffled and silence: the clip changes nothing." in shown


def test_a_model_that_hears_perfectly_follows_the_clip_that_is_played(tones, cpbench, tmp_path):
    done = cpbench("run", "--model", f"{DOUBLES}:Ear", "--tasks", tones(), *CONDITIONS, "--out", "a")
    assert done.returncode == 0, done.stderr
    assert "Listens to what is in the clip" in done.stdout
    report = json.loads((tmp_path / "a" / "results.json").read_text())["listening"]
    (followed,) = report["followed"]
    assert followed["follow"] == 1.0 and followed["own"] == 0.0 and followed["shown"] == "above"
    assert 0 < followed["n"] == 40 - followed["left_out"].get("same_label", 0)
    assert report["verdicts"][0]["hearing"] == "listens"
    alone = cpbench("run", "--model", f"{DOUBLES}:Ear", "--tasks", tones(), "--out", "b")
    assert (
        "--condition all" in alone.stdout
        and json.loads((tmp_path / "b" / "results.json").read_text())["listening"] is None
    )


@pytest.mark.skipif(not EMODB.exists(), reason="the real recordings are not here")
def test_four_real_speakers_allow_no_significant_test_and_the_report_says_so(cpbench):
    flags = ("run", "--model", f"{DOUBLES}:Ear", "--tasks", EMODB, "--limit", 40, *CONDITIONS)
    done = cpbench(*flags, "--out", "a")
    assert done.returncode == 0, done.stderr
    assert "4 recordings allow no significant test (the smallest two-sided sign-flip p is 0.125" in done.stdout
