"""Leave one speaker out over EmoDB: eight small models from random weights, each asked about a speaker it never heard.

    python tests/performance/emodb_folds.py EMODB OUT [--speakers 03 ...]

EMODB holds clips/ and clips.jsonl (one line a clip: clip, speaker, gender, emotion). Each fold is `cpbench train
--config emodb` and `cpbench run`, as a user types them, and is not done again where it is finished. Printed: accuracy
and UAR of each speaker beside the majority class, their differences with a t interval over the speakers, and the
listeners' share.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

EMOTIONS = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
ASKED = {
    "DE": f"Which emotion does the voice of the speaker express: {', '.join(EMOTIONS[:-1])} or {EMOTIONS[-1]}?",
    "DG": "Is the speaker male or female?",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("emodb", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--speakers", nargs="*", help="only these folds")
    parser.add_argument("--set", nargs="*", default=[], help="KEY=VALUE for cpbench train")
    asked = parser.parse_args()
    clips = [json.loads(line) for line in (asked.emodb / "clips.jsonl").read_text(encoding="utf-8").splitlines()]
    folds = {}
    for speaker in asked.speakers or sorted({clip["speaker"] for clip in clips}):
        folds[speaker] = fold(clips, speaker, asked)
        print(json.dumps({"speaker": speaker, **folds[speaker]}), flush=True)
    if len(folds) > 1:
        summary(folds, clips)


def fold(clips: list[dict[str, Any]], speaker: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Train without one speaker, and ask about that one."""
    place = asked.out / speaker
    place.mkdir(parents=True, exist_ok=True)
    parts = {"train": [clip for clip in clips if clip["speaker"] != speaker]}
    parts["test"] = [clip for clip in clips if clip["speaker"] == speaker]
    for split, chosen in parts.items():
        lines = [json.dumps(line(clip, kind, split, asked.emodb, place)) for clip in chosen for kind in ASKED]
        (place / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    begun = time.monotonic()
    settings = [word for setting in asked.set for word in ("--set", setting)]
    cpbench(
        "train",
        "--config",
        "emodb",
        "--data",
        place / "train.jsonl",
        "--out",
        place / "model",
        "--threads",
        1,
        *settings,
    )
    seconds = time.monotonic() - begun
    cpbench("run", "--model", place / "model", "--tasks", place / "test.jsonl", "--out", place / "run")
    predicted = [json.loads(line) for line in (place / "run" / "predictions.jsonl").read_text().splitlines()]
    answers = {one["item_id"]: one["answer"] for one in predicted}
    found: dict[str, Any] = {"seconds": round(seconds, 1)}
    for kind, key in (("DE", "emotion"), ("DG", "gender")):
        majority = Counter(clip[key] for clip in parts["train"]).most_common(1)[0][0]
        pairs = [(clip[key], answers[f"{clip['clip']}-{kind}"].strip()) for clip in parts["test"]]
        found[kind] = {
            "accuracy": accuracy(pairs),
            "uar": uar(pairs),
            "majority_accuracy": accuracy([(truth, majority) for truth, _ in pairs]),
            "majority_uar": uar([(truth, majority) for truth, _ in pairs]),
        }
    return found


def line(clip: dict[str, Any], kind: str, split: str, emodb: Path, place: Path) -> dict[str, Any]:
    label = clip["emotion"] if kind == "DE" else clip["gender"]
    return {
        "id": f"{clip['clip']}-{kind}",
        "audio": os.path.relpath(emodb / clip["clip"], place),
        "question": ASKED[kind],
        "references": [label],
        "type": kind,
        "label": label,
        "options": list(EMOTIONS) if kind == "DE" else ["female", "male"],
        "recording": f"speaker{clip['speaker']}",
        "speaker": clip["speaker"],
        "gender": clip["gender"],
        "emotion": clip["emotion"],
        "language": "en",
        "transcript": clip["text_de"],
        "split": split,
    }


def cpbench(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "cpbench", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def accuracy(pairs: list[tuple[str, str]]) -> float:
    return statistics.fmean(truth == said for truth, said in pairs)


def uar(pairs: list[tuple[str, str]]) -> float:
    """The mean recall of the classes that the speaker has."""
    recalls = [
        statistics.fmean(said == label for truth, said in pairs if truth == label) for label in {t for t, _ in pairs}
    ]
    return statistics.fmean(recalls)


def summary(folds: dict[str, dict[str, Any]], clips: list[dict[str, Any]]) -> None:
    from scipy import stats

    for kind in ASKED:
        for metric in ("accuracy", "uar"):
            gains = [fold[kind][metric] - fold[kind][f"majority_{metric}"] for fold in folds.values()]
            value = statistics.fmean(fold[kind][metric] for fold in folds.values())
            interval = stats.t.interval(0.95, len(gains) - 1, statistics.fmean(gains), stats.sem(gains))
            low, high = map(float, interval)
            gain = f"{statistics.fmean(gains):+.3f}, {low:+.3f} to {high:+.3f}"
            print(f"{kind} {metric}: {value:.3f}; above the majority class {gain}")
    listeners = statistics.fmean(clip["listeners_recognised_pct"] for clip in clips) / 100
    print(f"20 listeners recognised {listeners:.3f} of the emotions")


if __name__ == "__main__":
    main()
