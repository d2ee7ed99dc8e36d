"""The board's page: in a real browser from file:// with the network off, and with hostile words in every field."""

import json
import re

import pytest

from cpbench.leaderboard.board import withdraw
from cpbench.leaderboard.build import build
from cpbench.leaderboard.history import Author, event, write_event
from cpbench.leaderboard.page import page

HOSTILE = "</script><script>window.pwned=1</script><img src=x onerror='window.pwned=2'>\" onclick=\"window.pwned=3"
LINK = "javascript:window.pwned=4"


@pytest.fixture(scope="module")
def site(boards, tmp_path_factory):
    """A board with all that a page can show; every text of a submission is hostile where the schema lets it."""
    place = tmp_path_factory.mktemp("page")
    dataset = boards.card()
    system = {"organisation": HOSTILE, "license": HOSTILE, "backbone": HOSTILE, "url": "https://example.org/x?y='z'"}
    made = boards.fill(
        boards.board(place / "board", dataset, title=f"Board {HOSTILE}"),
        dataset,
        boards.Makes(
            HOSTILE[:150],
            0.95,
            others={"silence": 0.2},
            judged=True,
            system=system,
            note=HOSTILE,
            generation={"selection_rule": HOSTILE, "parameters": {HOSTILE[:90]: HOSTILE}},
        ),
        boards.Makes("Alpha", 0.6, judged=True, system={"trained_on_eval": "yes"}),
        boards.Makes("beta", 0.1),
        boards.Makes("majority", kind="null", answers={item.id: "neutral" for item in dataset.items}),
        boards.Makes("gone", 0.9),
    )
    by = Author(HOSTILE[:150], HOSTILE, "2026-03-01T00:00:00Z")
    made = withdraw(made, next(one.id for one in made.entries if one.id.startswith("gone")), by)
    facts = {"judge": HOSTILE, "n": 5, "shift": -3.0, "low": -4.0, "high": -2.0, "drifted": True, "said": HOSTILE}
    write_event(made.folder, event("drift", by, facts=facts))
    alpha = next(one.id for one in made.entries if one.id.startswith("alpha"))
    write_event(made.folder, event("rejudged", by, entry=alpha, facts={"held": False, "said": HOSTILE}))
    from cpbench.leaderboard.board import open_board

    build(open_board(made.folder), place / "site", jobs=1)
    return place / "site" / "index.html"


def names(tab, shown=True):
    rows = tab.locator("table.board").first.locator("tbody tr")
    found = [(row.locator(".name").inner_text(), row.is_visible()) for row in rows.all()]
    return [name for name, visible in found if visible or not shown]


def test_no_markup_of_theirs_runs_and_no_error_is_said(site, opened):
    tab = opened(site)
    for summary in tab.locator("summary").all():
        summary.click()
    assert tab.evaluate("window.pwned") is None
    assert tab.locator("table.board img, table.board script, .entry img").count() == 0
    assert tab.wrong == []
    assert HOSTILE in tab.locator(".entry", has_text=HOSTILE[:60]).first.inner_text()


def test_every_string_of_board_json_may_be_hostile(site, opened, tmp_path):
    """Whatever the schema would refuse: words, links and anchors replaced in every place where a text stands."""
    made = json.loads((site.parent / "board.json").read_text())
    kept = {"L0", "L1", "L2", "L3"}

    def poison(value, words):
        if isinstance(value, dict):
            return {
                key: poison(one, words) if key not in ("role", "level", "metric") else one for key, one in value.items()
            }
        if isinstance(value, list):
            return [poison(one, words) for one in value]
        return words if isinstance(value, str) and value not in kept else value

    for number, words in enumerate((HOSTILE, LINK)):
        bad = poison(made, words)
        for table in bad["tables"]:
            table["types"] = table["others"] = []
            table["best_baseline"] = None
        path = tmp_path / f"{number}.html"
        path.write_text(page(bad))
        tab = opened(path)
        for link in tab.locator("a").all():
            assert not (link.get_attribute("href") or "").lower().startswith("javascript:")
        assert tab.evaluate("window.pwned") is None
        assert tab.wrong == []


def test_rows_are_sorted_and_filtered(site, opened):
    tab = opened(site)
    first = names(tab)
    assert [first[0], *first[-2:]] == [HOSTILE[:150], "beta", "gone"]
    tab.get_by_role("button", name="System").first.click()
    assert names(tab) == sorted(first, key=str.lower)
    tab.get_by_role("button", name="accuracy").first.click()
    assert names(tab)[0] == "beta"
    tab.get_by_label("Find").fill("ALPHA")
    assert names(tab) == ["Alpha"]
    assert "2 of" in tab.locator("#count").inner_text()  # by its labels, and by the judge
    tab.get_by_label("Find").fill("")
    tab.get_by_label("systems only").check()
    assert "majority" not in names(tab) and "gone" not in names(tab)
    tab.get_by_label("Level").select_option("L2")
    assert names(tab) == []
    assert tab.wrong == []


def test_a_link_to_an_entry_opens_it(site, opened):
    tab = opened(site)
    link = tab.locator("table.board tr", has_text="Alpha").first.locator("a[href^='#entry-alpha']").last
    link.click()
    tab.wait_for_function("document.querySelector('details.entry[open]') !== null")
    assert "trained on the evaluated set" in tab.locator("details.entry[open]").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_nothing_is_wider_than_the_window(site, opened, width, scheme):
    tab = opened(site, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    unnamed = tab.evaluate(
        "[...document.querySelectorAll('input, select, button')].filter(one => "
        "!(one.textContent.trim() || (one.labels && one.labels.length))).length"
    )
    assert unnamed == 0
    assert tab.wrong == []


def test_what_must_stand_on_the_page(site):
    text = site.read_text()
    assert "With public references only L3, or a hidden split, detects answers" in text
    assert "corrected for each other (Holm)" in text
    assert "judge: not validated" in text
    assert 'tr class="withdrawn"' in text and "rejudged: did not hold" in text
    assert "default-src &#39;none&#39;" in text
    assert re.findall(r'(?:src|href)="(?!https://example\.org|#|board\.)[^"]*"', text) == []
    assert "http://" not in text.replace("http://www.w3.org", "")
