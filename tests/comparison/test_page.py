"""The page of a comparison: what it says without a browser, and in a real one from file:// with the network off."""

import dataclasses
import json
import re

import pytest

from cpbench.comparison import Choice, compare
from cpbench.comparison.layout import plain
from cpbench.comparison.page import LISTED, LONGEST, check_page, page, write_page
from cpbench.errors import UsageError
from cpbench.records import Rights

from .conftest import items_of, judge

HOSTILE = "</script><script>window.pwned=1</script><img src=x onerror='window.pwned=2'>\" onclick=\"window.pwned=3"
ROWS = "[...document.querySelectorAll('#alone tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
UNNAMED = """[...document.querySelectorAll('button, input, select, summary, [role=region], table, form')]
    .filter(one => !(one.textContent.trim() || one.getAttribute('aria-label') || (one.labels && one.labels.length)))
    .map(one => one.outerHTML)"""


@pytest.fixture
def pair(run):
    return compare([run("good", 0.9), run("poor", 0.3, seed=1)])


def data_of(text):
    return json.loads(re.search(r'id="data">(.*?)</script>', text, flags=re.DOTALL).group(1))["items"]


def words(text):
    return " ".join(re.sub(r"<[^>]+>", " ", text.partition('<main id="main">')[2]).split())


def test_its_numbers_are_those_of_the_json(pair):
    text = words(page(plain(pair)))
    for metric, scale in (("accuracy", 100), ("overlap_score", 1)):
        (one,) = [each for each in pair.differences if (each.metric, each.slice) == (metric, "all")]
        interval = f"+{scale * one.estimate.low:.1f} to +{scale * one.estimate.high:.1f}"
        assert (
            f"+{scale * one.estimate.value:.1f} {interval} &lt;&nbsp;.001 {scale * one.smallest:.1f} good better"
            in text
        )
    assert "Holm" not in text.replace("p_holm", "")  # one pair: nothing to correct for


def test_the_same_comparison_gives_the_same_bytes_and_no_path_of_this_machine(pair, tmp_path):
    first, again = (write_page(pair, tmp_path / name).read_bytes() for name in ("1.html", "2.htm"))
    assert first == again and str(tmp_path).encode() not in first
    with pytest.raises(UsageError, match=r"\.pdf"):
        check_page(tmp_path / "1.pdf")


def test_what_a_set_cannot_show_is_said_and_a_gate_stands_on_it(run):
    found = compare([run("one", 1.0, items=items_of(4)), run("other", 0.0, items=items_of(4))])
    text = words(page(plain(found, found.gate())))
    assert "no verdict: 4 recordings allow no p under 0.125" in text
    assert "The gate, other against one: insufficient." in text
    assert "only 4 recordings" in page(plain(found))  # the notes, before the content


def test_three_runs_are_ranked_and_every_pair_is_corrected(run):
    found = compare([run("a", 0.95), run("b", 0.9, seed=1), run("c", 0.2, seed=2)])
    text = page(plain(found))
    assert "3 runs compared" in text and "p, Holm" in text
    ranks = text.partition('id="ranks"')[2].partition('id="differences"')[0]
    rows = [" ".join(re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)) for row in re.findall(r"<tr>(.*?)</tr>", ranks)]
    assert rows == ["run all C DE", "a 1 to 2 1 to 2 1 to 2", "b 1 to 2 1 to 2 1 to 2", "c 3 3 3"]
    (one,) = [
        each
        for each in found.differences
        if (each.metric, each.slice, each.a, each.b) == ("overlap_score", "all", "a", "b")
    ]
    assert f"corrected for 3 pairs {one.p_holm:.3f}" in words(text)
    assert text.count("Every pair: overlap_score (no LLM judge)") == 1


def test_above_three_pairs_each_is_opened_by_hand(run):
    found = compare([run(name, 0.9 - at / 5, seed=at) for at, name in enumerate("abcd")])
    assert page(plain(found)).count("<details><summary><h4>") == 6


def test_a_judge_is_named_with_every_metric_of_its(run):
    runs = [run("a", 0.9), run("b", 0.3, seed=1)]
    for at, made in enumerate(runs):
        judge(made, "f" * 64, [80.0 - 40 * at + n % 3 for n in range(120)])
    text = words(page(plain(compare(runs))))
    assert "points of judge_score by openai/judge , a minus b" in text
    assert "Judged by openai/judge (ffffffff)." in text


def test_a_metric_where_less_is_better_says_so(run):
    metrics = ("unextractable", "accuracy")
    runs = [run("clear", 1.0, metrics=metrics), run("vague", 0.2, metrics=metrics)]
    text = page(plain(compare(runs, Choice(metrics=("unextractable",)))))
    assert "unextractable, less is better" in text and 'class="card better-a"' in text


def test_texts_that_may_not_be_shown_are_not_in_it(run):
    found = compare([run("a", 1.0), run("b", 0.5, rights=Rights("unknown"), wrong="nothing like it")])
    text = page(plain(found))
    kept = data_of(text)
    assert kept and all(set(one) <= {"task", "item_id", "type", "recording", "right", "wrong", "basis"} for one in kept)
    assert "set: its rights do not allow its texts to be shown" in text
    assert "How does she sound" not in text and "nothing like it" not in text and "a lamp" not in text


def test_what_is_too_long_or_too_much_is_left_out_and_said(pair):
    made = plain(pair)
    (first, *_) = made["items"]
    made["items"] = [{**first, "item_id": str(at)} for at in range(LISTED + 7)]
    made["items"][0]["question"] = "x" * (LONGEST + 1)
    text = page(made)
    assert len(data_of(text)) == LISTED and "7 items are not in this page" in text
    assert "1 long texts are cut here" in text and "x" * (LONGEST + 1) not in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_without_an_error_and_fits_a_desktop_and_a_phone(opened, run, tmp_path, scheme):
    found = compare([run("good-run", 0.9), run("poor-run", 0.4, seed=1), run("x" * 90, 0.8, seed=2)])
    path = write_page(found, tmp_path / "compare.html", gate=found.gate())
    for width in (1200, 390):
        tab = opened(path, viewport={"width": width, "height": 800}, color_scheme=scheme)
        for summary in tab.locator("summary").all():
            summary.click()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.evaluate(UNNAMED) == []
        for link in tab.locator("nav a").all():
            assert tab.locator(str(link.get_attribute("href"))).count() == 1
        assert tab.wrong == []


def test_a_difference_is_drawn_where_it_lies_beside_no_difference(opened, pair, tmp_path):
    tab = opened(write_page(pair, tmp_path / "compare.html"), viewport={"width": 1200, "height": 900})
    (one,) = [each for each in pair.differences if (each.metric, each.slice) == ("overlap_score", "all")]
    ticks = [float(tick) for tick in tab.locator(".forest .ticks span span").all_inner_texts()]
    assert ticks[2] == 0 and ticks[0] == -ticks[4] and ticks[4] >= one.estimate.high > ticks[4] / 2
    axis, dot = (tab.locator(f".forest tbody {place}").first.bounding_box() for place in (".axis", ".dot"))
    at = (dot["x"] + dot["width"] / 2 - axis["x"]) / axis["width"]
    assert at == pytest.approx(0.5 + one.estimate.value / ticks[4] / 2, abs=0.003)


def test_items_are_searched_and_narrowed_and_more_of_them_are_shown(opened, pair, tmp_path):
    tab = opened(write_page(pair, tmp_path / "compare.html"))
    sides = [one.right for one in pair.alone]
    assert tab.locator("#count").inner_text() == f"{len(sides)} items, shown: 50" and len(sides) > 50
    tab.click("#more")
    assert len(tab.evaluate(ROWS)) == len(sides) and not tab.locator("#more").is_visible()
    tab.select_option("#right", "poor")
    rows = tab.evaluate(ROWS)
    assert len(rows) == sides.count("poor") > 0
    assert all("right: poor" in row[2] and "wrong: good" in row[3] for row in rows)
    assert all("nothing [of] that kind" in row[3] for row in rows)
    tab.select_option("#right", "")
    tab.select_option("#type", "C")
    known = [one for one in pair.alone if one.type == "C"]
    tab.fill("#q", f"LAMP{known[0].item_id} desk")
    assert {row[0].split("\n")[-1] for row in tab.evaluate(ROWS)} >= {known[0].item_id}
    assert "reference: a lamp" in tab.evaluate(ROWS)[0][1]
    tab.fill("#q", "no item has these words")
    assert tab.locator("#count").inner_text() == f"0 of {len(sides)} items" and tab.evaluate(ROWS) == []
    assert tab.wrong == []


def test_no_markup_of_theirs_runs(opened, run, tmp_path):
    """In texts, answers, ids, and in the names of runs, judges and tasks."""
    items = [
        dataclasses.replace(item, id=f"{item.id}{HOSTILE}", question=HOSTILE, references=(f"{HOSTILE} {at}",))
        for at, item in enumerate(items_of())
    ]
    found = compare([run("good", 0.9, items=items), run("b", 0.4, items=items, seed=1, wrong=f"no {HOSTILE}")])
    made = plain(found, found.gate())
    for name in ("good", "set"):
        made = json.loads(json.dumps(made).replace(json.dumps(name), json.dumps(f"{name} {HOSTILE}")))
    made["notes"].append(HOSTILE)
    path = tmp_path / "compare.html"
    path.write_text(page(made))
    tab = opened(path)
    assert HOSTILE in tab.evaluate(ROWS)[0][1]
    assert tab.locator("h1").inner_text() == f"good {HOSTILE} against b"
    assert tab.evaluate("window.pwned") is None and tab.locator("img").count() == 0
    assert tab.wrong == []
