"""A run over several endpoints: they are no part of what the run is, they may move, and what they answered stays."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cpbench.chat import _several
from cpbench.errors import UserError
from cpbench.evaluate import evaluate
from cpbench.flow.ledger import Ledger
from cpbench.judges import load_judge
from cpbench.records import Prediction, RunConfig
from cpbench.runfolder.identity import WHEREABOUTS, run_path

HERE = {"base_url": "http://127.0.0.1:8000/v1"}


def config(items: Path, *urls: str, **options: str) -> RunConfig:
    return RunConfig(
        "openai/served-model",
        (str(items),),
        model_options={"base_url": ",".join(urls), **options},
        out=str(items.parent / "run"),
        hearing_check=False,
    )


def test_neither_a_run_nor_a_judge_changes_with_where_and_how_many_its_endpoints_are() -> None:
    places = [HERE, {"base_url": "http://a/v1,http://b/v1", "concurrency": "64"}, {"timeout": "60"}, {}]
    run = RunConfig("openai/m", ("demo",))
    assert {"base_url", "concurrency", "timeout"} == WHEREABOUTS
    assert len({run_path(dataclasses.replace(run, model_options=place)) for place in places}) == 1
    assert run_path(run) != run_path(dataclasses.replace(run, model_options={"max_new_tokens": "9"}))
    judges = [load_judge("openai/m", place).judge_id for place in places]
    assert len(set(judges)) == 1 and load_judge("openai/m", {"temperature": "1"}).judge_id != judges[0]


def test_a_judge_s_members_have_endpoints_of_their_own(tmp_path: Path) -> None:
    ids = set()
    for url in ("http://localhost:1/v1", "http://localhost:1/v1,http://localhost:2/v1"):
        text = f"members: [{{model: openai/m, options: {{base_url: '{url}'}}}}]"
        (tmp_path / "judge.yaml").write_text(text)
        seen: list[Any] = []
        judge = load_judge(str(tmp_path / "judge.yaml"), wrap=lambda chat, seen=seen: (seen.append(chat), chat)[1])
        assert isinstance(seen[0], _several.Several) == ("," in url)
        ids.add(judge.judge_id)
    assert len(ids) == 1


def test_a_run_whose_endpoints_all_vanish_goes_on_at_other_addresses(
    items_file: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_several, "REST", 0.002)
    items = items_file(clips=12, questions=2)
    old = [serve(), serve()]
    for server in old:
        server.default = lambda body, server=server: (
            server.completion("low") if len(server.bodies) <= 5 else server.answer(drop=True)
        )
    with pytest.raises(UserError, match="none answers any more"):
        evaluate(config(items, *(server.url for server in old), concurrency="2"))
    folder = items.parent / "run"
    kept = {one.key for one in Ledger(folder / "predictions.jsonl", Prediction) if one.status == "ok"}
    assert len(kept) == 10
    new = serve()
    new.default = lambda body: new.completion("low")
    run = evaluate(config(items, new.url, concurrency="3"))
    assert len(new.bodies) == 24 - 10 and len(run.predictions) == 24
    assert yaml.safe_load((folder / "run.yaml").read_text())["model_options"]["base_url"] == new.url
    with pytest.raises(UserError, match="another --out"):
        evaluate(config(items, new.url, max_new_tokens="9"))


def test_the_manifest_says_what_each_endpoint_did(items_file: Any, serve: Any) -> None:
    servers = [serve(), serve()]
    items = items_file(clips=6, questions=2)
    run = evaluate(config(items, *(server.url for server in servers), concurrency="1"))
    work = json.loads((run.folder / "manifest.json").read_text())["work"]["endpoints"]
    assert [work[server.url]["answered"] for server in servers] == [len(server.bodies) for server in servers]
    assert sum(one["answered"] for one in work.values()) == 12 and all(one["answered"] >= 3 for one in work.values())
