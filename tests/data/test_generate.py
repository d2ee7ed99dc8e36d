"""From clips to data lines: by templates, and by a model behind a real local endpoint."""

import dataclasses
import json
import re
import tracemalloc

import numpy as np
import pytest
import soundfile

from cpbench import formats
from cpbench.audio import clip
from cpbench.chat.paying import Paying
from cpbench.data.generate import Generating, Model, Plan, generate, price
from cpbench.data.generate_llm import Written, load_writing_prompt, packaged_prompts
from cpbench.errors import UsageError, UserError
from cpbench.flow.ledger import Ledger
from cpbench.flow.stopping import Stopped
from cpbench.flow.watch import Watching
from cpbench.formats.clips import write_clips
from cpbench.records import Tag

WORDS = ("Anna lost the {} at the harbour.", "Peter bought a {} in town.", "Julia dropped her {} yesterday.")
THINGS = ("camera", "lamp", "guitar", "carpet", "mirror", "piano", "blanket", "bicycle", "suitcase", "umbrella")
EMOTIONS = ("anger", "happiness", "sadness")


@pytest.fixture
def clips(tmp_path):
    """clips(n) -> the file of n clips of five speakers with words, emotions and levels."""

    def make(count=6, **changes):
        made = []
        for n in range(count):
            path = tmp_path / f"{n}.wav"
            soundfile.write(path, np.full(1600 + n, 0.01, np.float32), 16000)
            tag = Tag(0.0, 0.1, "ser@1", {EMOTIONS[n % 3]: 0.8}, valence=(-0.5, 0.6, -0.6)[n % 3], arousal=0.1)
            known = {"speaker": f"s{n % 5}", "gender": ("female", "male")[n % 5 % 2], "recording": f"r{n % 5}"}
            text = WORDS[n % 3].format(THINGS[n % 10]) + f" Number {n}."
            made.append(dataclasses.replace(clip(path), transcript=text, tags=(tag,), **known, **changes))
        write_clips(made, tmp_path / "clips.jsonl")
        return tmp_path / "clips.jsonl"

    return make


def pairs(*found):
    return json.dumps(
        {"pairs": [dict(zip(("type", "question", "answer", "label"), one, strict=True)) for one in found]}
    )


def told(body):
    """What the endpoint was told of a clip."""
    return json.loads(body["messages"][-1]["content"])


def writing(endpoint, reply=None):
    """Make the endpoint write two good questions of each clip, or what `reply(told)` says."""

    def answer(body):
        clip = told(body)
        thing = re.search(r"the (\w+)|an? (\w+)|her (\w+)", clip["transcript"])[0].split()[-1]
        emotion = next(iter(clip["segments"][0]["emotion"]))
        good = pairs(
            ("CE", f"How does it sound when the {thing} is named?", f"It sounds like {emotion}.", emotion),
            ("C", f"What is said about the {thing}?", clip["transcript"], ""),
        )
        return endpoint.completion(reply(clip) if reply else good)

    endpoint.default = answer
    return Model("openai/writer", {"base_url": endpoint.url, "concurrency": "2"})


def lines(path):
    return list(formats.read("line", path, task="t"))


def test_templates_make_lines_and_a_datasheet_that_agree(clips, tmp_path):
    out = tmp_path / "train.jsonl"
    sheet = generate(
        Generating(clips(20), out, Plan(parts={"train": 0.8, "dev": 0.2}, split_by="speaker", license="CC0"))
    )
    items = lines(out)
    assert len(items) == sheet.questions == sum(sum(counts.values()) for counts in sheet.by_type.values())
    baseline = [item for item in items if "generator" not in item.origin]
    assert len(baseline) == 3 * 20 == sheet.filters["baseline (no generator)"]["kept"]
    assert {item.origin["generator"] for item in items if item not in baseline} == {"templates@1"}
    assert {(item.origin["annotator"], item.origin["license"]) for item in items} == {("ser@1", "CC0")}
    assert sheet.by_emotion == {"anger": 7, "happiness": 7, "sadness": 6} and sheet.by_annotator == {"ser@1": 20}
    assert sheet.hours == pytest.approx(sum(item.clips[0].seconds for item in baseline[::3]) / 3600, abs=1e-4)
    speakers = [{one.clips[0].speaker for one in items if one.split == part} for part in ("train", "dev")]
    assert not speakers[0] & speakers[1] and [len(found) for found in speakers] == [4, 1]
    assert {name: part["speakers"] for name, part in sheet.by_split.items()} == {"train": 4, "dev": 1}
    saved = json.loads((tmp_path / "train.datasheet.json").read_text())
    assert saved["questions"] == sheet.questions and saved["settings"]["split"] == {"train": 0.8, "dev": 0.2}
    page = (tmp_path / "train.datasheet.md").read_text()
    assert f"{sheet.questions} questions about 20 clips" in page and "| anger | 7 |" in page


def test_the_same_seed_gives_the_same_bytes(clips, tmp_path):
    source = clips(6)
    first, second, other = (tmp_path / name / "x.jsonl" for name in "abc")
    for out, seed in ((first, 0), (second, 0), (other, 1)):
        generate(Generating(source, out, Plan(seed=seed)))
    said = [[(item.question, item.references) for item in lines(out)] for out in (first, second, other)]
    assert said[0] == said[1] != said[2]


def test_a_model_writes_once_and_a_second_start_makes_no_call(clips, endpoint, tmp_path):
    work = Generating(clips(6), tmp_path / "q.jsonl", Plan(), writing(endpoint))
    sheet = generate(work)
    calls = len(endpoint.bodies)
    assert calls == 6 and sheet.written == {"ok": 6} and sheet.usage["calls"] == 6
    assert sheet.usage["input_tokens"] == 6 * 11
    made = [item for item in lines(work.out) if "generator" in item.origin]
    assert len(made) == 12 and {item.type for item in made} == {"CE", "C"}
    assert {item.origin["generator"] for item in made} == {"openai/writer"}
    assert (
        {item.origin["prompt_hash"] for item in made} == {work.writing.prompt_hash} == {sheet.settings["prompt_hash"]}
    )
    emotional = [item for item in made if item.type == "CE"]
    assert all(item.label in EMOTIONS and item.options == EMOTIONS for item in emotional)
    before = work.out.read_bytes()
    again = generate(Generating(work.clips, work.out, Plan(), writing(endpoint)))
    assert len(endpoint.bodies) == calls and work.out.read_bytes() == before and again == sheet
    relabelled = dataclasses.replace(work, plan=Plan(license="CC0", parts={"a": 0.5, "b": 0.5}))
    generate(relabelled)
    assert len(endpoint.bodies) == calls  # another license or split costs nothing
    generate(dataclasses.replace(work, plan=Plan(types=("C",))))
    assert len(endpoint.bodies) == 2 * calls  # other types are another question


def test_what_the_model_is_told(clips, endpoint, tmp_path):
    generate(Generating(clips(1), tmp_path / "q.jsonl", Plan(types=("CE", "C"), per_clip=3), writing(endpoint)))
    (body,) = endpoint.bodies
    shown = told(body)
    assert shown["types"] == ["CE", "C"] and shown["count"] == 3 and shown["language"] == "en"
    assert shown["segments"] == [
        {
            "start": 0.0,
            "end": 0.1,
            "text": shown["transcript"],
            "emotion": {"anger": 0.8},
            "valence": -0.5,
            "arousal": 0.1,
        }
    ]
    system = " ".join(body["messages"][0]["content"].split())
    assert "Use the dimensions" in system and "Mix simple questions" in system and '{"pairs": [' in system
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["pairs"]["items"]["properties"]["type"]["enum"] == ["CE", "C"]


def test_a_model_that_writes_nonsense_costs_rows_and_not_the_run(clips, endpoint, tmp_path):
    replies = {
        0: lambda clip: "I would rather not.",  # twice: no row
        1: lambda clip: '{"pairs": "none"}',
        2: lambda clip: json.dumps({"pairs": [
            "text", 7, {"question": "Who?"}, {"type": "XX", "question": "Who speaks here?", "answer": "A man."},
            {"type": "CE", "question": ["a"], "answer": None, "label": 3},
        ]}),
        3: lambda clip: pairs(*[("C", f"What is number {n} of all?", "That.", "") for n in range(30)]),
        4: lambda clip: pairs(*[("CE", "How does the voice sound at the end?", "Happy.", "happiness")] * 3,
                              ("CE", "Why is the speaker so happy about it?", "She is happy.", "happiness")),
        5: lambda clip: '{"pairs": []}',
    }  # fmt: skip
    model = writing(endpoint, lambda clip: replies[int(clip["transcript"].split()[-1].strip("."))](clip))
    sheet = generate(Generating(clips(6), tmp_path / "q.jsonl", Plan(), model))
    assert sheet.written == {"parse_error": 2, "ok": 3, "nothing to ask": 1}
    assert len(endpoint.bodies) == 6 + 2  # what could not be read was asked for once more
    counts = sheet.filters["openai/writer"]
    assert counts["written"] == 5 + 8 + 4 and sheet.usage["surplus_pairs"] == 22
    assert counts["form and length"] == 4 and counts["no such type"] == 1 and counts["label in the question"] == 1
    assert counts["nearly the same again"] >= 2
    kept = [item for item in lines(tmp_path / "q.jsonl") if "generator" in item.origin]
    assert len(kept) == counts["kept"] and all(item.type and item.question for item in kept)
    with Ledger(tmp_path / "q.written.jsonl", Written) as ledger:
        failed = [one for one in ledger if one.status == "parse_error"]
    assert all(len(one.calls) == 2 and one.raw for one in failed)
    generate(Generating(tmp_path / "clips.jsonl", tmp_path / "q.jsonl", Plan(), model))
    assert len(endpoint.bodies) == 8  # what was paid for and useless is not paid for again


def test_failed_calls_and_refusals_are_counted_and_only_unpaid_ones_asked_again(clips, endpoint, tmp_path):
    model = writing(endpoint)
    endpoint.script = [endpoint.completion("", finish="content_filter"), endpoint.problem(400, "no such thing")]
    work = Generating(
        clips(4),
        tmp_path / "q.jsonl",
        Plan(),
        dataclasses.replace(model, options={**model.options, "concurrency": "1"}),
    )
    sheet = generate(work)
    assert sheet.written == {"content_filter": 1, "api_error": 1, "ok": 2}
    calls = len(endpoint.bodies)
    again = generate(work)
    assert again.written == {"content_filter": 1, "ok": 3} and len(endpoint.bodies) == calls + 1


def test_a_limit_stops_before_the_call_and_the_same_command_goes_on(clips, endpoint, tmp_path):
    model = writing(endpoint)
    work = Generating(clips(6), tmp_path / "q.jsonl", Plan(), dataclasses.replace(model, paying=Paying(max_calls=4)))
    with pytest.raises(UserError, match="limit of 4 calls"):
        generate(work)
    assert len(endpoint.bodies) == 4 and not work.out.exists()
    sheet = generate(work)
    assert len(endpoint.bodies) == 6 and sheet.written == {"ok": 6}


def test_a_stopped_start_goes_on_to_the_same_bytes(clips, endpoint, tmp_path):
    whole = Generating(clips(6), tmp_path / "whole" / "q.jsonl", Plan(), writing(endpoint))
    generate(whole)
    work = dataclasses.replace(whole, out=tmp_path / "part" / "q.jsonl")
    before = len(endpoint.bodies)
    with pytest.raises(Stopped):
        generate(work, Watching(stop=lambda: len(endpoint.bodies) >= before + 3))
    assert not work.out.exists() and len(endpoint.bodies) < before + 6
    generate(work)
    assert len(endpoint.bodies) == before + 6
    ids = [(item.id, item.question) for item in lines(whole.out)]
    assert [(item.id, item.question) for item in lines(work.out)] == ids


def test_a_dry_run_counts_and_sends_nothing(clips, endpoint, tmp_path):
    work = Generating(clips(6), tmp_path / "q.jsonl", Plan(), writing(endpoint))
    tally = price(work)
    assert tally.calls == 6 and tally.input_tokens > 6 * 500 and not endpoint.bodies
    assert {path.name for path in tmp_path.iterdir() if "q." in path.name} == set()
    generate(work)
    assert price(work).calls == 0


def test_what_a_text_model_answers_from_the_words_is_dropped(clips, endpoint, tmp_path):
    def check(body):
        shown = told(body)
        assert set(shown) == {"words", "question", "options"} and "recording" in body["messages"][0]["content"]
        return endpoint.completion("It is anger." if "0" in shown["words"] else "unknown")

    writer = writing(endpoint)
    write = endpoint.default
    endpoint.default = lambda body: check(body) if body["model"] == "checker" else write(body)
    checker = Model("openai/checker", {"base_url": endpoint.url})
    work = Generating(clips(6), tmp_path / "q.jsonl", Plan(), writer, checker)
    sheet = generate(work)
    assert len(endpoint.bodies) == 6 + 6  # each question about a voice, none about content
    assert sheet.filters["openai/writer"]["answered from the transcript"] == 1
    assert sheet.filters["openai/writer"]["kept"] == 11 and sheet.usage["check_calls"] == 6
    generate(work)
    assert len(endpoint.bodies) == 12


def test_gaps_are_counted_and_a_model_is_not_asked_about_them(clips, endpoint, tmp_path):
    from cpbench.formats.clips import read_clips

    source = clips(6)
    one, two, three, *rest = read_clips(source)
    gone = dataclasses.replace(rest[0], path=str(tmp_path / "none.wav"), sha256=None)
    gaps = [
        dataclasses.replace(one, transcript=None),
        dataclasses.replace(two, tags=()),
        dataclasses.replace(three, transcript=" "),
    ]
    write_clips([*gaps, gone, rest[1], rest[2], rest[2]], source)
    sheet = generate(Generating(source, tmp_path / "q.jsonl", Plan(), writing(endpoint)))
    assert len(endpoint.bodies) == 2
    assert sheet.clips_given == 5  # without the unreadable one and the one that stands twice
    assert sheet.clips_lacking == {"no transcript": 1, "no speech (an empty transcript)": 1, "no tags": 1}


def test_clips_of_which_nothing_is_known(clips, endpoint, tmp_path):
    source = clips(3, **{})
    from cpbench.formats.clips import read_clips

    known = list(read_clips(source))
    write_clips([dataclasses.replace(one, transcript=None, tags=()) for one in known], source)
    with pytest.raises(UserError, match=r"(?s)none has a transcript or tags.*cpbench data annotate"):
        generate(Generating(source, tmp_path / "q.jsonl"))
    write_clips([dataclasses.replace(one, tags=()) for one in known], source)
    with pytest.raises(UserError, match="no clip has both: '3 with words, 0 with tags'"):
        generate(Generating(source, tmp_path / "q.jsonl", Plan(), writing(endpoint)))
    generate(Generating(source, tmp_path / "q.jsonl"))  # templates ask about the words


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan(types=("DP",)), "unknown question type 'DP'"),
        (Plan(types=("DG",)), "the templates know no questions of type 'DG'"),
    ],
)
def test_types_that_cannot_be_written(clips, tmp_path, plan, message):
    with pytest.raises(UsageError, match=message):
        generate(Generating(clips(2), tmp_path / "q.jsonl", plan))


def test_packaged_prompts_load_and_a_wrong_one_is_told_with_its_line(tmp_path):
    assert packaged_prompts() == ["cpqa", "pqa"]
    hashes = {load_writing_prompt(name)[1] for name in packaged_prompts()}
    assert len(hashes) == 2
    own = tmp_path / "own.yaml"
    own.write_text("name: own\nversion: 1\nfields: [transcript, voice]\nsystem: Write.\nuser: '{data}'\n")
    with pytest.raises(UsageError, match=r"own.yaml, line 3: there is no field 'voice'"):
        load_writing_prompt(str(own))
    with pytest.raises(UsageError, match=r"unknown prompt 'cpaq'.*did you mean 'cpqa'"):
        load_writing_prompt("cpaq")


def test_memory_does_not_grow_with_the_clips(tmp_path):
    """Twice the clips, hardly more memory: only keys and labels are held, never the questions."""
    soundfile.write(tmp_path / "a.wav", np.full(1600, 0.01, np.float32), 16000)
    one = clip(tmp_path / "a.wav")

    def used(count):
        text = "The WORD said nothing at all, and so it went on and on. " * 20
        many = (
            dataclasses.replace(one, sha256=f"{n:064}", transcript=text.replace("WORD", f"word{n}"), recording=f"r{n}",
                                tags=(Tag(0, 0.1, "g", {EMOTIONS[n % 3]: 1.0}),))
            for n in range(count)
        )  # fmt: skip
        write_clips(many, tmp_path / "clips.jsonl")
        tracemalloc.start()
        generate(Generating(tmp_path / "clips.jsonl", tmp_path / "q.jsonl", Plan(types=("C",))))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak, (tmp_path / "q.jsonl").stat().st_size

    used(20)  # what is loaded once
    (small, _), (large, size) = used(50), used(200)
    assert size > 1_000_000 and large - small < 150 * 2000
