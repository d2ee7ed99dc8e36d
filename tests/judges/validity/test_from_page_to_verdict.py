"""The whole road by the command line: runs, a sample, its pages rated in Chromium from file://, a validation.

And the page of that validation, as a browser shows it.
"""

from __future__ import annotations

import json

import pytest

from cpbench.judges.validity.packs import make_pack

LABELS = ("anger", "happiness", "neutral", "sadness")
SPOKEN = {"anger": "angry", "happiness": "happy", "neutral": "neutral", "sadness": "sad"}


@pytest.fixture
def runs(run_of):
    """Two systems on 48 items; every third and every second answer names another label."""

    def made(name, step):
        def says(item):
            at = int(item.id[1:])
            return f"The speaker sounds {SPOKEN[LABELS[(at + (at % step == 0)) % 4]]}."

        about = {"options": LABELS, "language": "en", "types": ("DE",), "labels": LABELS, "recordings": 24}
        return run_of(name, says, items=48, **about)

    return [made("one", 3), made("two", 5)]


def rated(page, path, name):
    """Rate everything by keyboard, as somebody who goes by the label, which is the reference."""
    page.keyboard.press("Control+A")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    given = page.evaluate("JSON.parse(document.getElementById('data').textContent).items")
    for one in given:
        (label,) = one["references"]
        page.keyboard.press("5" if SPOKEN[label] in one["answer"] else "1")
    with page.expect_download() as download:
        page.keyboard.press("d")
    download.value.save_as(path)
    return len(given)


def test_from_the_sample_to_the_verdict(cpbench, runs, opened, tmp_path):
    folders = [run.folder for run in runs]
    drawn = cpbench("judge", "sample", *folders, "--n", "60", "--overlap", "40", "--out", "rating")
    assert drawn.returncode == 0, drawn.stderr
    pages = sorted((tmp_path / "rating").glob("*.html"))
    assert len(pages) == 2
    counts, files = [], []
    for path, name in zip(pages, ("ada", "ben"), strict=True):
        page = opened(path)
        files.append(tmp_path / "rating" / f"ratings-{name}.csv")
        counts.append(rated(page, files[-1], name))
        assert page.wrong == []
    assert sum(counts) == 2 * 40 + 20
    flags = [word for file in files for word in ("--humans", str(file))]
    done = cpbench("judge", "validate", *folders, "--judge", "simulated:oracle", *flags, "--out", "out", timeout=300)
    assert done.returncode == 4, done.stderr  # two systems say nothing about systems
    report = json.loads((tmp_path / "out" / "validity.json").read_text())
    people = report["humans"]
    assert people["annotators"] == ["ada", "ben"] and people["among"]["quadratic_kappa"]["value"] == 1.0
    assert people["couples"][0]["answers"] == people["among"]["labels"] > 0
    gate = {item.id for item in make_pack(runs).part("gate")}
    lines = [line.split(",") for file in files for line in file.read_text().splitlines()[1:]]
    key = {one["id"]: one["item_id"] for one in json.loads((tmp_path / "rating" / "sample.json").read_text())["drawn"]}
    assert people["ratings"] == sum(key[line[1]] in gate for line in lines)
    assert people["judge"]["quadratic_kappa"]["value"] > 0.9  # 5 and 1 beside 5 and 0
    assert {one["system"] for one in people["ppi"]} == {"one", "two"}
    for width in (390, 1200):
        for scheme in ("light", "dark"):
            viewport = {"width": width, "height": 900}
            page = opened(tmp_path / "out" / "validity.html", viewport=viewport, color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.locator("svg").count() >= 3 and page.locator("h1").count() == 1
            assert "INSUFFICIENT" in page.locator("body").inner_text()
            assert page.wrong == []
