"""A whole run judged through either provider's batches: in the run's folder, and paid for once."""

import json
from typing import Any

import pytest

from cpbench.chat.paying import Paying
from cpbench.evaluate import evaluate, judge_saved
from cpbench.evaluate.judging import Judging
from cpbench.flow.watch import Watching
from cpbench.records import RunConfig
from cpbench.runfolder import load_run

VERDICT = json.dumps({"reason": "because", "score": 3})


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_a_run_is_judged_by_batches_once(provider: Any, kind: str, items_file: Any, tmp_path: Any) -> None:
    said = provider.message(VERDICT) if kind == "anthropic" else provider.completion(VERDICT)
    provider.default = lambda body: provider.said(said)
    good = {"response": {"status_code": 200, "request_id": "r", "body": said}}
    provider.outcome = lambda asked, body: (
        {"result": {"type": "succeeded", "message": said}} if kind == "anthropic" else good
    )
    evaluate(RunConfig("majority", (str(items_file()),), out=str(tmp_path / "run")))
    url = provider.url + ("/v1" if kind == "openai" else "")
    paying = Paying(batch=True, poll=0.01)
    judging = Judging(f"{kind}/claude-served", options={"base_url": url}, repeats=1, third_party_ok=True, paying=paying)
    run = judge_saved(load_run(tmp_path / "run"), judging, Watching())
    assert run.results is not None
    (score,) = [s for s in run.results.scores if s.metric == "judge_score" and s.slice == "all"]
    assert score.estimate.value == pytest.approx(60.0) and score.coverage == 1.0
    paid = len(provider.asked)
    assert len(provider.batches) == 1 and paid == len(run.judgements) == 12
    judge_saved(load_run(tmp_path / "run"), judging, Watching())
    assert len(provider.asked) == paid
