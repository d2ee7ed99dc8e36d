"""A synthetic pack: systems of planted accuracy, answering in words, over items whose labels are known."""

from __future__ import annotations

import random

from cpbench.judges.validity.packs import Pack, System
from cpbench.judges.validity.thresholds import Thresholds
from cpbench.records import Clip, Item, Request, Rights, Task

EMOTIONS = ("anger", "fear", "happiness", "neutral", "sadness")
WORDS = {"anger": "angry", "fear": "afraid", "happiness": "happy", "neutral": "neutral", "sadness": "sad"}
FORMS = ("The speaker sounds {}.", "{}", "I would say {}.", "A {} voice.", "It is {}, as far as I hear.")
FREE = Rights("Apache-2.0", True, True, True)


def item(number, recordings):
    label = EMOTIONS[number % 5]
    clip = Clip(f"{number}.wav", f"{number:064d}", 2.0, f"r{number % recordings}", transcript=f"Line {number} here.")
    asked = "Which emotion does the voice express: anger, fear, happiness, neutral or sadness?"
    about = {"language": "en", "type": "DE", "label": label, "options": EMOTIONS}
    return Item(f"i{number}", "t", (clip,), asked, (f"The speaker sounds {WORDS[label]}.",), **about)


def answered(each, words):
    return Request(each.id, each.task, "audio", each.question, ()).answered(words, heard=2.0)


def answers(items, accuracy, seed):
    draw, found = random.Random(seed), {}
    for each in items:
        wrong = [one for one in EMOTIONS if one != each.label]
        said = each.label if draw.random() < accuracy else draw.choice(wrong)
        found[each.task, each.id] = answered(each, draw.choice(FORMS).format(WORDS[said]))
    return found


def make(systems=9, items=400, recordings=40, *, families=3, accuracies=(0.35, 0.75), **thresholds):
    """`systems` of planted accuracy between the two, in `families`."""
    asked = tuple(item(number, recordings) for number in range(items))
    low, high = accuracies
    names = [f"s{at}" for at in range(systems)]
    steps = [low + (high - low) * at / max(systems - 1, 1) for at in range(systems)]
    kept = {name: answers(asked, share, name) for name, share in zip(names, steps, strict=True)}
    made = tuple(System(name, name, f"family{at % families}", "end_to_end", "audio") for at, name in enumerate(names))
    task = Task("t", "1", "", ("accuracy",), rights=FREE, fingerprint="v1:sha256:0")
    return Pack(asked, made, kept, (task,), 0, Thresholds(**thresholds))
