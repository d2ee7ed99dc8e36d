import json
from pathlib import Path

from cpbench.data.datasheet import Sheet, as_markdown, write_datasheet
from cpbench.data.generate_check import Checked
from cpbench.data.generate_llm import Written
from cpbench.records import Call, Clip, Item, Tag

A = Clip("a.wav", "a" * 64, 1800.0, "r1", "s1", transcript="So it is.", tags=(Tag(0, 1800, "gold", {"joy": 1.0}),))
B = Clip("b.wav", "b" * 64, 900.0, "r2", "s2+s3", transcript="", tags=(Tag(0, 900, "ser@1", {}, valence=0.5),))
C = Clip("c.wav", "c" * 64, 900.0, "r3")


def item(clip, kind, generator, part="train", question="Who speaks here?"):
    origin = {"license": "CC0"} | ({"generator": generator} if generator else {})
    return Item(f"{clip.path}{kind}", "t", (clip,), question, ("x",), type=kind, split=part, origin=origin)


def sheet():
    made = Sheet(Path("train.jsonl"), [A, B, C])
    rows = [
        item(A, None, None, question="What is said?"),
        item(A, "CE", "m"),
        item(A, "CE", "m", question=""),
        item(B, "DS", "m", "dev"),
    ]
    sifted = [kept for clip in (A, B) for kept in made.sieve.sift(one for one in rows if one.clips == (clip,))]
    assert len(list(made.counted(sifted))) == 3
    call = Call("m", "m", {}, {"input_tokens": 10, "output_tokens": 2}, "now")
    made.add_written(
        [Written("1", "a", "ok", surplus=2, calls=(call, call)), None, Written("2", "b", "refusal", calls=(call,))]
    )
    made.add_checked([Checked("1", "a", "ok", answered=True, calls=(call,))])
    made.remarks.append("a remark")
    return made.done()


def test_counts_by_hand():
    found = sheet()
    assert (found.questions, found.clips, found.hours, found.clips_given) == (3, 2, 0.75, 3)
    assert found.clips_lacking == {"no transcript": 1, "no speech (an empty transcript)": 1, "no tags": 1}
    assert found.by_split == {
        "train": {"questions": 2, "clips": 1, "hours": 0.5, "speakers": 1},
        "dev": {"questions": 1, "clips": 1, "hours": 0.25, "speakers": 2},
    }
    assert found.by_type == {
        "CE": {"m": 1},
        "DS": {"m": 1},
        "speech recognition": {"baseline (no generator)": 1},
    }
    assert found.by_emotion == {"joy": 1, "none": 1} and found.by_annotator == {"gold": 1, "ser@1": 1}
    assert found.by_license == {"CC0": 3}
    assert found.filters["m"] == {"written": 3, "form and length": 1, "kept": 2}
    assert found.filters["baseline (no generator)"] == {"written": 1, "kept": 1}
    assert found.written == {"nothing to ask": 1, "refusal": 1}
    expected = {"calls": 3, "surplus_pairs": 2, "input_tokens": 30, "output_tokens": 6}
    assert found.usage == expected | {"check_calls": 1, "check_input_tokens": 10, "check_output_tokens": 2}


def test_it_is_written_for_people_and_for_programs(tmp_path):
    write_datasheet(sheet(), tmp_path / "train.datasheet")
    assert json.loads((tmp_path / "train.datasheet.json").read_text())["hours"] == 0.75
    page = (tmp_path / "train.datasheet.md").read_text()
    assert page == as_markdown(sheet())
    for line in ("3 questions about 2 clips (0.75 h), of 3 given.", "* a remark", "| dev | 1 | 1 | 0.25 | 2 |",
                 "| CE | 0 | 1 |", "| form and length | 1 |", "| refusal | 1 |"):  # fmt: skip
        assert line in page
    assert "None" not in page
