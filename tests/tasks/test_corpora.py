"""Every corpus in its published layout."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cpbench.errors import UsageError, UserError
from cpbench.records import Item, Task
from cpbench.tasks import load_tasks


def load(name: str, folder: Path) -> tuple[Task, list[Item]]:
    ((task, items),) = load_tasks([name], data_dirs={name: str(folder)})
    return task, items


def by_id(items: list[Item]) -> dict[str, Item]:
    return {item.id: item for item in items}


def test_emodb_reads_speaker_sentence_and_emotion_from_the_name(speak: Any, tmp_path: Path) -> None:
    speak("wav/03a01Fa.wav")
    speak("wav/16b10Td.wav")
    speak("wav/readme_of_wav.wav")
    _, items = load("emotion_emodb", tmp_path)
    happy, sad = by_id(items)["03a01Fa"], by_id(items)["16b10Td"]
    assert (happy.label, happy.words, happy.type) == ("happiness", "a01", "DE")
    assert (happy.clips[0].recording, happy.clips[0].gender) == ("speaker03", "male")
    assert happy.clips[0].transcript == "Der Lappen liegt auf dem Eisschrank."
    assert (sad.label, sad.clips[0].gender, sad.clips[0].tags[0].emotion) == ("sadness", "female", {"sadness": 1.0})
    assert len(items) == 2


def test_every_item_of_an_emotion_task_asks_the_same_question_with_the_same_options(emodb: Path) -> None:
    _, items = load("emotion_emodb", emodb)
    assert len(items) == 410
    assert {item.question for item in items} == {
        "Which emotion does the voice express: anger, boredom, disgust, fear, happiness, sadness or neutral?"
    }
    assert {item.options for item in items} == {
        ("anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral")
    }
    assert len({item.recording for item in items}) == 8


def test_emodb_agrees_with_the_list_that_came_with_the_files(emodb: Path) -> None:
    import json

    listed = {Path(row["clip"]).stem: row for row in map(json.loads, (emodb / "clips.jsonl").read_text().splitlines())}
    _, items = load("emotion_emodb", emodb)
    assert {item.id for item in items} == set(listed)
    for item in items:
        row, clip = listed[item.id], item.clips[0]
        known = (item.label, clip.speaker, clip.gender, clip.transcript, item.words)
        assert known == (row["emotion"], row["speaker"], row["gender"], row["text_de"], row["sentence"])


def test_ravdess_takes_speech_and_leaves_songs_and_videos(speak: Any, tmp_path: Path) -> None:
    speak("Actor_12/03-01-06-01-02-01-12.wav")
    speak("Actor_11/03-01-08-02-01-02-11.wav")
    speak("Actor_12/03-02-06-01-02-01-12.wav")  # sung
    (tmp_path / "Actor_12" / "01-01-06-01-02-01-12.mp4").write_bytes(b"video")
    _, items = load("emotion_ravdess", tmp_path)
    found = by_id(items)
    assert set(found) == {"03-01-06-01-02-01-12", "03-01-08-02-01-02-11"}
    fear = found["03-01-06-01-02-01-12"]
    assert (fear.label, fear.clips[0].gender, fear.recording) == ("fear", "female", "actor12")
    assert fear.clips[0].transcript == "Dogs are sitting by the door."
    assert found["03-01-08-02-01-02-11"].label == "surprise"
    assert found["03-01-08-02-01-02-11"].clips[0].gender == "male"


def test_a_set_that_is_held_twice_is_read_once(speak: Any, tmp_path: Path) -> None:
    speak("Actor_12/03-01-06-01-02-01-12.wav")
    speak("audio_speech_actors_01-24/Actor_12/03-01-06-01-02-01-12.wav")
    assert len(load("emotion_ravdess", tmp_path)[1]) == 1


def test_files_of_one_name_that_differ_are_refused(speak: Any, tmp_path: Path) -> None:
    speak("a/03-01-06-01-02-01-12.wav")
    speak("b/03-01-05-01-02-01-12.wav").rename(tmp_path / "b" / "03-01-06-01-02-01-12.wav")
    with pytest.raises(UserError, match="files of one name differ"):
        load("emotion_ravdess", tmp_path)


def test_crema_d_prefers_wav_and_finds_genders_beside_the_audio(speak: Any, tmp_path: Path) -> None:
    speak("AudioWAV/1001_DFA_ANG_XX.wav")
    speak("AudioMP3/1001_DFA_ANG_XX.mp3")
    speak("AudioWAV/1040_ITH_SAD_X.wav")  # as one file is really named
    (tmp_path / "VideoDemographics.csv").write_text("ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not\n")
    _, items = load("emotion_crema_d", tmp_path)
    anger, sad = by_id(items)["1001_DFA_ANG_XX"], by_id(items)["1040_ITH_SAD_X"]
    assert anger.clips[0].path.endswith(".wav")
    assert (anger.label, anger.words, anger.recording) == ("anger", "DFA", "actor1001")
    assert (anger.clips[0].gender, anger.clips[0].transcript) == ("male", "Don't forget a jacket.")
    assert (sad.label, sad.clips[0].gender) == ("sadness", None)
    assert load("emotion_crema_d", tmp_path / "AudioWAV")[1] == items


def test_iemocap_as_distributed(speak: Any, tmp_path: Path) -> None:
    dialog = tmp_path / "IEMOCAP_full_release" / "Session1" / "dialog"
    for name in ("F000", "M000", "F001"):
        speak(f"IEMOCAP_full_release/Session1/sentences/wav/Ses01F_script01_1/Ses01F_script01_1_{name}.wav")
    (dialog / "EmoEvaluation").mkdir(parents=True)
    (dialog / "EmoEvaluation" / "Ses01F_script01_1.txt").write_text(
        "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
        "[6.2901 - 8.2357]\tSes01F_script01_1_F000\tneu\t[2.5000, 2.0000, 3.5000]\n"
        "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
        "[10.0100 - 11.3925]\tSes01F_script01_1_M000\tfru\t[1.0000, 5.5000, 5.0000]\n\n"
        "[14.8872 - 18.0175]\tSes01F_script01_1_F001\txxx\t[2.5000, 2.5000, 2.5000]\n"
    )
    (dialog / "transcriptions").mkdir()
    (dialog / "transcriptions" / "Ses01F_script01_1.txt").write_text(
        "Ses01F_script01_1_F000 [006.2901-008.2357]: Excuse me.\n"
        "Ses01F_script01_1_M000 [010.0100-011.3925]: Do you have it?\n"
    )
    _, items = load("emotion_iemocap", tmp_path)
    neutral, frustrated = items  # the turn without agreement is left out
    assert (neutral.label, neutral.recording, neutral.clips[0].transcript) == (
        "neutral",
        "Ses01F_script01_1",
        "Excuse me.",
    )
    tag = frustrated.clips[0].tags[0]
    assert (tag.valence, tag.arousal, tag.dominance) == (-1.0, 1.0, 1.0)
    assert (frustrated.clips[0].gender, frustrated.clips[0].speaker) == ("male", "Ses01M")
    assert all(item.clips[0].sha256 for item in items)


def test_meld_as_published(speak: Any, tmp_path: Path) -> None:
    (tmp_path / "test_sent_emo.csv").write_text(
        "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
        '1,"Why do all you\'re coffee mugs, have numbers?",Mark,surprise,positive,0,0,3,19,"00:14:38,127",'
        '"00:14:40,378"\n'
        '2,Oh.,Rachel,anger,negative,0,1,3,19,"00:14:40,629","00:14:42,255"\n'
    )
    speak("output_repeated_splits_test/dia0_utt0.wav")
    speak("output_repeated_splits_test/dia0_utt1.flac")
    speak("train_splits/dia0_utt0.flac").rename(tmp_path / "train_splits" / "dia0_utt0.wav")
    _, items = load("emotion_meld", tmp_path)
    assert [(item.id, item.label, item.recording) for item in items] == [
        ("dia0_utt0", "surprise", "dia0"),
        ("dia0_utt1", "anger", "dia0"),
    ]
    assert "output_repeated_splits_test" in items[0].clips[0].path
    assert items[0].clips[0].transcript == "Why do all you're coffee mugs, have numbers?"


def test_meld_videos_without_sound_are_answered_with_the_command_that_extracts_it(tmp_path: Path) -> None:
    (tmp_path / "test_sent_emo.csv").write_text("Sr No.,Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID\n")
    (tmp_path / "dia0_utt0.mp4").write_bytes(b"video")
    with pytest.raises(UserError, match="ffmpeg -i"):
        load("emotion_meld", tmp_path)


def test_msp_podcast_reads_one_split_and_leaves_the_undecided(speak: Any, tmp_path: Path) -> None:
    lines = ["FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"]
    for name, emotion, split in (("0001_0008", "H", "Test2"), ("0001_0009", "X", "Test2"), ("0002_0001", "A", "Train")):
        lines.append(f"MSP-PODCAST_{name}.wav,{emotion},4.0,7.0,1.0,12,Female,{split}")
        speak(f"Audios/MSP-PODCAST_{name}.wav")
    (tmp_path / "Labels").mkdir()
    (tmp_path / "Labels" / "labels_consensus.csv").write_text("\n".join(lines))
    (tmp_path / "Transcripts").mkdir()
    (tmp_path / "Transcripts" / "MSP-PODCAST_0001_0008.txt").write_text("And so we began.\n")
    _, (only,) = load("emotion_msp_podcast", tmp_path)
    assert (only.id, only.label, only.recording) == ("MSP-PODCAST_0001_0008", "happiness", "MSP-PODCAST_0001")
    tag = only.clips[0].tags[0]
    assert (tag.valence, tag.arousal, tag.dominance) == (1.0, 0.0, -1.0)
    assert (only.clips[0].gender, only.clips[0].transcript) == ("female", "And so we began.")


def test_msp_podcast_without_the_split_names_those_it_has(speak: Any, tmp_path: Path) -> None:
    speak("Audios/MSP-PODCAST_0001_0008.wav")
    (tmp_path / "Labels").mkdir()
    (tmp_path / "Labels" / "labels_consensus.csv").write_text(
        "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
        "MSP-PODCAST_0001_0008.wav,H,4,4,4,1,Male,Development\n"
    )
    with pytest.raises(UsageError, match=r"no split 'Test2'.*\n.*allowed: Development"):
        load("emotion_msp_podcast", tmp_path)


@pytest.mark.parametrize(
    ("task", "example"),
    [
        ("emotion_emodb", "03a01Fa.wav"),
        ("emotion_ravdess", "03-01-06-01-02-01-12.wav"),
        ("emotion_crema_d", "1001_DFA_ANG_XX.wav"),
        ("emotion_iemocap", "Ses01F_impro01.txt"),
        ("emotion_meld", "dia0_utt0.wav"),
        ("emotion_msp_podcast", "labels_consensus.csv"),
        ("voxparadox", "choice_a"),
        ("cpqa_human", "state.json"),
    ],
)
def test_a_folder_of_something_else_says_what_was_looked_for_and_what_is_there(
    task: str, example: str, speak: Any, tmp_path: Path
) -> None:
    speak("holiday/beach.wav")
    with pytest.raises(UserError) as caught:
        load(task, tmp_path)
    message = str(caught.value)
    assert example in message
    assert "1 files, holiday/beach.wav first" in message
    assert re.search(rf"--data-dir {task}=DIR", message)


def test_an_empty_folder_and_none_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found no files"):
        load("emotion_emodb", tmp_path)
    with pytest.raises(UserError, match="--data-dir names no folder"):
        load("emotion_emodb", tmp_path / "absent")


def test_a_corrupt_file_stays_an_item_for_the_run_to_report(speak: Any, tmp_path: Path) -> None:
    speak("03a01Fa.wav")
    (tmp_path / "03a01Wa.wav").write_bytes(b"not audio")
    _, items = load("emotion_emodb", tmp_path)
    assert Counter(item.clips[0].seconds is None for item in items) == {False: 1, True: 1}
