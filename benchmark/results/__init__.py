"""From outcomes to numbers: the scores of a run, what must be said beside them, and `results.json`.

compute(outcomes, tasks) -> tuple[Score, ...]   every metric of each task, condition and question type
absences(outcomes, tasks) -> list[Absent]       the numbers that do not exist, and why
tally(outcomes, tasks) -> tuple[Tally, ...]     how many answers failed or were refused; how much was heard
caveats(outcomes, tasks) -> list[str]           sentences that belong beside the scores
breakdown(outcomes, tasks) -> Breakdown         the scores by duration and share heard; confusions; judges' scores
noise(repeated, correct_score) -> Noise         how far a judge's score moves by itself
to_lm_eval(results) -> ResultsFile              results.json, key by key
"""

from __future__ import annotations

from cpbench.results.beside import Tally, caveats, tally
from cpbench.results.breakdown import Breakdown, breakdown
from cpbench.results.layout import ResultsFile, to_lm_eval
from cpbench.results.noise import Noise, noise
from cpbench.results.scores import Absent, absences, compute

__all__ = [
    "Absent",
    "Breakdown",
    "Noise",
    "ResultsFile",
    "Tally",
    "absences",
    "breakdown",
    "caveats",
    "compute",
    "noise",
    "tally",
    "to_lm_eval",
]
