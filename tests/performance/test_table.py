"""The table of docs/performance.md: from kept lines to rows, against a table written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from beside import module_at

table = module_at(Path(__file__).with_name("table.py"))

MACHINE = {
    "processor": "A Processor",
    "cores": 2,
    "memory_gib": 23,
    "gpu": None,
    "python": "3.12.1",
    "torch": "2.13.0",
    "transformers": "5.23.0",
}


def line(name: str, value: float, **changes: Any) -> dict[str, Any]:
    about = {"name": name, "value": value, "bound": None, "at": "most", "unit": "x", "on": "clips"}
    return {**about, "machine": MACHINE, "commit": "abc1234", "date": "2026-11-23", **changes}


def test_the_table_stands_between_its_marks_and_the_last_line_of_a_figure_counts(tmp_path: Path) -> None:
    lines = [
        line("1. speed", 9.0, bound=5.0, at="least"),
        line("memory", 4830.2, unit="MB"),
        line("2. overhead", 1.5, bound=1.05),
        line("1. speed", 4.0, bound=5.0, at="least"),
        line("on a GPU", 1.0, machine={**MACHINE, "gpu": "G"}),
    ]
    (tmp_path / "kept.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    table.main([str(tmp_path / "kept.jsonl"), str(page)])
    about = "Python 3.12.1, torch 2.13.0, transformers 5.23.0; 2026-11-23; commit abc1234:"
    assert page.read_text().splitlines() == [
        "before",
        table.BEGIN,
        f"A Processor, 2 cores, 23 GiB; {about}",
        "",
        "| figure | measured | bound | on |",
        "|---|---|---|---|",
        "| 1. speed | **4 x** (missed) | at least 5 | clips |",
        "| 2. overhead | **1.5 x** (missed) | at most 1.05 | clips |",
        "| memory | 4,830 MB | - | clips |",
        "",
        f"A Processor, 2 cores, 23 GiB, G; {about}",
        "",
        "| figure | measured | bound | on |",
        "|---|---|---|---|",
        "| on a GPU | 1 x | - | clips |",
        table.END,
        "after",
    ]


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("a page")
    (tmp_path / "kept.jsonl").write_text(json.dumps(line("a", 1.0)) + "\n")
    with pytest.raises(SystemExit, match="no <!-- figures"):
        table.main([str(tmp_path / "kept.jsonl"), str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").read_text() == "a page"


def test_a_figure_is_printed_and_kept_with_its_machine(
    figure: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CPBENCH_PERF_OUT", str(tmp_path / "runs" / "kept.jsonl"))
    figure("overhead", 1.023456, bound=1.05, unit="x", on="240 questions")
    assert "overhead: 1.023 x (at most 1.05); 240 questions" in capsys.readouterr().out
    (kept,) = [json.loads(one) for one in (tmp_path / "runs" / "kept.jsonl").read_text().splitlines()]
    assert (kept["name"], kept["value"], kept["bound"], kept["at"]) == ("overhead", 1.023456, 1.05, "most")
    assert kept["machine"].keys() == MACHINE.keys() and kept["machine"]["cores"] >= 1
