"""The page of a run of 5,000 items: how soon it can be used, how long a search takes, how large it is, what it holds.

The yardstick is the same browser on the same machine in the same minute: the time to parse the page's own data block,
without which no such page could do anything, and a page of the kit without data.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import pytest

from cpbench.evaluate import score
from cpbench.fingerprint import dataset_fingerprint, judgement_key
from cpbench.flow.ledger import adapter
from cpbench.records import Clip, Item, Judgement, ModelCard, Request, Rights, RunConfig, Sound, Task
from cpbench.report import write_report
from cpbench.runfolder import Run, case_of, load_run, open_run

pytestmark = pytest.mark.performance
ITEMS = 5000
PAGE = "5,000 items, answers of 40 words and thoughts of 150, judged; Chromium"
WORDS = (
    "the",
    "speaker",
    "sounds",
    "calm",
    "at",
    "first",
    "then",
    "says",
    "with",
    "rising",
    "voice",
    "that",
    "nobody",
    "told",
)
USABLE = """() => document.querySelectorAll('button.open').length === 50 && performance.now()"""

TIMES = """() => {
    const time = act => {
        const start = performance.now();
        act();
        document.body.offsetHeight;  // laid out
        return performance.now() - start;
    };
    const change = (id, value, kind) => {
        const field = document.getElementById(id);
        field.value = value;
        field.dispatchEvent(new Event(kind));
    };
    const submit = () => document.getElementById('filters').dispatchEvent(new Event('submit', { cancelable: true }));
    return {
        parse: time(() => JSON.parse(document.getElementById('data').textContent)),
        right: time(() => change('right', 'wrong', 'change')),
        score: time(() => change('least', '30', 'input')),
        search: time(() => { change('q', 'calm nobody', 'input'); submit(); }),
        sort: time(() => document.querySelector('#answers th.answer button').click()),
        back: time(() => document.getElementById('clear').click()),
    };
}"""


def words(at: int, count: int) -> str:
    return " ".join(WORDS[(at * 7 + n * (at % 5 + 1)) % len(WORDS)] for n in range(count))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """5,000 open questions with answers of 40 words, a thought of 150 and a judge's reason of 30, judged."""
    folder = tmp_path_factory.mktemp("large") / "run"
    items = [
        Item(
            f"i{at}",
            "task",
            (Clip(f"{at}.wav", f"{at:064x}", at % 60 + 1.0, f"r{at % 400}"),),
            words(at, 15),
            (words(at, 8),),
        )
        for at in range(ITEMS)
    ]
    task = Task("task", "1", "", ("overlap_score",), Rights("CC0", text_in_report=True))
    task = dataclasses.replace(task, fingerprint=dataset_fingerprint(items))
    made = open_run(RunConfig("answers:x", ("task",), out=str(folder), conditions=("audio",)), [(task, items)])
    about = {
        "name": "judge",
        "spec": "judge",
        "prompt": None,
        "correct_score": 60.0,
        "repeats": None,
        "same_family": False,
    }
    made.note(model=adapter(ModelCard).dump_python(ModelCard("m", "test"), mode="json"), judges={"j": about})
    with made.predictions, made.judgements:
        for at, item in enumerate(items):
            request = Request(item.id, "task", "audio", item.question, (Sound(item.clips[0]),))
            said = request.answered(f"<think>{words(at, 150)}</think>{words(at + 1, 40)}", heard=1.0)
            made.predictions.append(said)
            key = judgement_key("j", case_of(item, said))
            scored = Judgement(
                key, item.id, "task", "audio", "0" * 64, "j", "ok", float(at % 101), reason=words(at, 30)
            )
            made.judgements.append(scored)
    return score(load_run(folder))


@pytest.fixture(scope="module")
def page(run: Run, chromium: Any) -> Any:
    opened = chromium.new_context(offline=True).new_page()
    opened.goto(write_report(run).as_uri())
    return opened


def test_it_is_written_within_twice_the_time_of_scoring(run: Run, figure: Callable[..., None]) -> None:
    def seconds(of: Any) -> float:
        start = time.process_time()
        of()
        return time.process_time() - start

    write_report(run)  # templates and label readers are compiled once
    ratio = seconds(lambda: write_report(run)) / seconds(lambda: score(load_run(run.folder)))
    figure("report page: writing it, over scoring the run", ratio, bound=2, unit="x", on=PAGE)
    assert ratio < 2


def test_it_is_not_much_larger_than_its_texts(run: Run) -> None:
    size = (run.folder / "report.html").stat().st_size
    texts = sum((run.folder / name).stat().st_size for name in ("items.jsonl", "predictions.jsonl", "judgements.jsonl"))
    assert size < texts
    assert size < 15_000_000


def test_it_can_be_used_at_once(page: Any, figure: Callable[..., None]) -> None:
    usable = []
    for _ in range(3):
        page.reload()
        usable.append(page.wait_for_function(USABLE).json_value())
    parse = page.evaluate(
        "(() => { const text = document.getElementById('data').textContent, start = performance.now();"
        " JSON.parse(text); return performance.now() - start; })()"
    )
    bound = 1000 + 10 * parse
    figure("report page: opened until it can be used", min(usable), bound=bound, unit="ms", on=PAGE)
    assert min(usable) < bound


def test_filtering_searching_and_sorting_do_not_wait(page: Any, figure: Callable[..., None]) -> None:
    took = page.evaluate(TIMES)
    print({name: round(value) for name, value in took.items()})
    parse = took.pop("parse")
    bound = 250 + 5 * parse
    figure("report page: the slowest search, filter or sort", max(took.values()), bound=bound, unit="ms", on=PAGE)
    assert max(took.values()) < bound


def test_only_one_page_of_rows_is_in_the_document(page: Any, figure: Callable[..., None]) -> None:
    assert page.evaluate("document.querySelectorAll('*').length") < 3000
    held = page.evaluate("performance.memory.usedJSHeapSize")
    data = page.evaluate("document.getElementById('data').textContent.length")
    bound = 60 + 6 * data / 1e6
    figure("report page: memory of the browser's objects", held / 1e6, bound=bound, unit="MB", on=PAGE)
    assert held / 1e6 < bound
