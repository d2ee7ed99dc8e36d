"""The miniature's page: what it says, against the numbers that it was given; and in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cpbench.miniature import page
from cpbench.miniature.findings import Asked
from cpbench.miniature.plan import FULL, QUICK, Job

Made = Callable[..., tuple[list[Asked], Path]]


def text(path: Path) -> str:
    """The page's words, without its markup."""
    bare = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\s+", " ", bare)


def even(job: Job, condition: str, part: str) -> float | None:
    """S10 40, S20 46, S30 52 in every seed, so that every interval is a point; direct emotion falls by 3 in S30."""
    if part in ("words", "voice"):
        return {"words": 0.25, "voice": 0.5}[part]
    worth = {"S10": 40.0, "S20": 46.0, "S30": 52.0, "explicit": 40.0, "S32": 60.0, "control": 20.0}[job.system.name]
    lost = {"tags:wrong": 22.0, "audio": 9.0}.get(condition, 0.0) if len(job.system.conditions) > 1 else 0.0
    return worth - lost - (9.0 if part == "DE" and job.system.name == "S30" else 0.0)


def test_it_says_what_the_intervals_show(miniature_of: Made) -> None:
    asked, folder = miniature_of(even, seeds=2)
    said = text(page.write(asked, FULL, folder))
    assert (
        "S30 − S10, all questions: do generated questions help? +12.0 [+12.0, +12.0] higher +15.75 (+38.41 %)" in said
    )
    assert "with tags in the prompt as well? +20.0 [+20.0, +20.0] higher +18.87 (+46.02 %)" in said
    assert "do tags in the prompt alone help? 0.0 [0.0, 0.0] no difference is shown" in said
    assert "do they fall with contextual questions? −3.0 [−3.0, −3.0] lower they fell: IEMOCAP 50.76 to 45.7" in said
    assert "S32 with wrong tags, all questions −22.0 [−22.0, −22.0] lower" in said
    assert "answers by the voice − by the words +25.0 [+25.0, +25.0] higher" in said
    assert "S30 − control, DE: is anything learned of the voice? +23.0" in said
    assert "+30 % [+30, +30]" in said  # relative to S10, as the paper has it
    assert "adapter only: in 2 of 2 seeds on DE, in 2 of 2 seeds on CE." in said
    assert "synthetic speech" in said
    assert "no LLM judge" in said
    assert "clips or steps differ" not in said


def test_the_numbers_are_beside_it_as_json(miniature_of: Made) -> None:
    asked, folder = miniature_of(even, seeds=2)
    page.write(asked, QUICK, folder)
    found = json.loads((folder / "miniature.json").read_text())
    assert found["synthetic"] is True
    (s30,) = (row for row in found["tables"]["adapter"] if row["system"]["name"] == "S30")
    assert (s30["values"]["all"]["value"], s30["gains"]["all"]["value"]) == (52.0, 12.0)
    assert s30["relative"]["value"] == pytest.approx(30.0)
    steps = {
        (one["a"]["name"], one["b"]["name"]): one["changes"]["DE"]["value"] for one in found["additions"]["adapter"]
    }
    assert (steps["S20", "S10"], steps["S30", "S20"]) == (6.0, -3.0)
    assert [row["steps"] for row in found["sizes"]] == [40] * 6
    assert found["base"] == {
        "steps": {"ears": 30, "words": 20, "together": 10},
        "seconds": 300.0,
        "items": 900,
        "clips": 2,
    }
    assert found["minutes"] == pytest.approx((300 + 12 * 60.5 + 12 * 30) / 60)


def test_one_seed_has_no_interval_and_the_page_says_so(miniature_of: Made) -> None:
    asked, folder = miniature_of(even, seeds=1)
    said = text(page.write(asked, QUICK, folder))
    assert "do generated questions help? +12.0 one seed: no interval" in said
    assert "Mean over 1 seed." in said


def test_systems_of_another_length_are_not_passed_over(miniature_of: Made) -> None:
    asked, folder = miniature_of(even, seeds=1)
    path = folder / "checkpoints" / "S30-adapter-0" / "checkpoint.json"
    path.write_text(path.read_text().replace('"variant": 40', '"variant": 41'))
    assert "clips or steps differ between systems" in text(page.write(asked, QUICK, folder))


def test_nothing_asked_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run of the miniature"):
        page.write([], QUICK, tmp_path)


def test_in_a_browser_without_network_wide_and_narrow(miniature_of: Made, opened: Any) -> None:
    asked, folder = miniature_of(seeds=5, tuned=("adapter", "lora"))
    path = page.write(asked, FULL, folder)
    for width in (1200, 380):
        tab = opened(path, viewport={"width": width, "height": 800})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width  # tables scroll within the page
        for link in tab.locator("nav.contents a").all():
            assert tab.locator(str(link.get_attribute("href"))).count() == 1
        bars = tab.locator(".bars").first
        seen = [bars.locator(f".{one}").bounding_box()["width"] for one in ("voice", "words")]
        assert seen[0] / seen[1] == pytest.approx(0.63 / 0.24, rel=0.02)  # the means of five seeds
        tab.locator("table.sortable").first.locator("th button", has_text="CE").click()
        first = tab.locator("table.sortable").first.locator("tbody tr th").first
        assert first.inner_text().startswith("control")  # the lowest CE comes first
        assert tab.wrong == []
