"""What a judge must reach: the defaults. A pack stores those that it was made with; they are part of its identity."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Fixed before anything is judged."""

    coverage: float = 0.995  # of the answers and probes, with a score
    balanced_accuracy: float = 0.85  # its lower bound
    margin: float = 0.02  # or: not worse by more than this than a baseline that itself passed
    bias: float = 0.05  # the interval lies within +- this
    specificity_sd: float = 0.08  # upper bound (see strictness.gate_level) of its SD between systems
    flips: float = 0.05  # upper bound
    probe: float = 0.10  # one-sided upper bound of every gated probe's rate of failures
    half_marks: float = 50.0  # at most, where one of two things that were asked for is wrong
    hedge_marks: float = 40.0  # at most, on average, for an answer that names everything
    gated: tuple[str, ...] = ("right", "wrong", "half", "capped", "same")  # expectations of probes that are criteria
    systems: int = 8  # of `families`, for a verdict about systems
    families: int = 3
    recordings: int = 10  # for any verdict
    wrong_answers: int = 110  # a system, to aim at
    repeats: int = 5  # of each of `repeated` answers
    repeated: int = 200
    epsilon: float = 0.2  # of the alternative annotator test
