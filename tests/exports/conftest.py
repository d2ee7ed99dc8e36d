"""One run's results by hand: two tasks, two conditions, a judge, and a null baseline."""

from dataclasses import replace

import pytest

from cpbench.records import Estimate, JudgeSheet, ModelCard, Results, Rights, Score, Task

JUDGE = "ab" * 32
ESTIMATE = Estimate(0.62, 0.5, 0.74, 0.06, 120, 24, "clustered t")


@pytest.fixture
def results():
    tasks = (
        Task("emotion_x", "1", "A citation", ("accuracy", "macro_f1"), Rights("CC-BY-4.0"), fingerprint="v1:sha256:00"),
        Task("cpqa_x", "2", "Another", ("overlap_score",), revision="c0ffee", repository="org/CPQA", synthetic=True),
    )
    scores = (
        Score("emotion_x", "audio", "all", "accuracy", None, ESTIMATE, coverage=0.99, worst=0.6, best=0.63),
        Score("emotion_x", "audio", "all", "unextractable", None, replace(ESTIMATE, value=0.03, low=None, high=None)),
        Score("emotion_x", "silence", "all", "accuracy", None, replace(ESTIMATE, value=0.2), leaked=True),
        Score("emotion_x", "silence", "all", "macro_f1", None, replace(ESTIMATE, value=float("nan"))),
        Score("cpqa_x", "audio", "all", "judge_score", JUDGE, replace(ESTIMATE, value=62.0, low=50.0, high=74.0)),
        Score("cpqa_x", "audio", "DE", "judge_score", JUDGE, replace(ESTIMATE, value=100 / 3, n=30)),
    )
    return Results(
        "a-run",
        ModelCard("/home/somebody/my_ckpt", "qwen"),
        tasks,
        scores,
        {JUDGE: "PASS: DE; en"},
        {"wall_s": 12.5},
        ("something to say",),
        {"majority": (Score("emotion_x", "audio", "all", "accuracy", None, replace(ESTIMATE, value=0.3)),)},
        {JUDGE: JudgeSheet("50% & more_judge", ("openai/gpt-4o",), "Judge it.")},
        "2026-11-22T21:00:00+00:00",
    )
