"""report.html in a real browser, from file:// with the network off."""

import itertools
import json
import re

import pytest

from cpbench.report import write_report

from . import conftest as made

SHOWN = """[...document.querySelectorAll('#answers tbody tr.row')].map(row =>
    [...row.cells].map(cell => cell.textContent.trim()))"""
UNNAMED = """[...document.querySelectorAll('button, input, select, summary, [role=group], [role=img], table, form')]
    .filter(one => !one.closest('[hidden]') && !(one.textContent.trim() || one.getAttribute('aria-label')
        || one.getAttribute('aria-labelledby') || (one.labels && one.labels.length))).map(one => one.outerHTML)"""
HEARD = """() => new Promise((done, failed) => {
    const audio = document.querySelector('audio');
    const look = () => audio.error ? failed(audio.error.message)
        : audio.currentTime > 0.05 ? done(audio.duration) : setTimeout(look, 20);
    look();
})"""


@pytest.fixture(scope="session")
def path(scored):
    return write_report(scored)


@pytest.fixture(scope="session")
def data(path):
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), flags=re.DOTALL).group(1))


def count(page):
    return page.locator("#count").inner_text()


def column(page, name):
    heads = page.evaluate("[...document.querySelectorAll('#answers thead th')].map(head => head.textContent.trim())")
    return [row[heads.index(name)] for row in page.evaluate(SHOWN)]


def chosen(page, name, value):
    page.select_option(f"#{name}", value)


def search(page, words):
    page.fill("#q", words)
    page.press("#q", "Enter")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_without_an_error_and_fits_a_desktop_and_a_phone(opened, path, scheme):
    for width in (1200, 390):
        page = opened(path, viewport={"width": width, "height": 800}, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator("button.open").first.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        table = page.evaluate("document.getElementById('answers').getBoundingClientRect().width")
        assert page.evaluate("document.querySelector('tr.more td').getBoundingClientRect().width") == pytest.approx(
            table, abs=2
        )
        assert page.wrong == []


def test_filters_narrow_the_table_and_say_how_many_are_left(opened, path, data):
    page = opened(path)
    assert count(page) == "120 of 240 answers, shown: 1 to 50"  # the main condition
    assert set(column(page, "condition")) == {"audio"}
    main = [row for row in data["answers"] if row["condition"] == "audio"]
    for name, value, of in (
        ("type", "DE", lambda row: data["items"][row["item"]]["type"]),
        ("status", "truncated", lambda row: row["status"]),
        ("right", "wrong", lambda row: {True: "right", False: "wrong"}.get(row["judged"][0].get("right"))),
    ):
        chosen(page, name, value)
        wanted = sum(of(row) == value for row in main)
        assert 0 < wanted < 120 and count(page).startswith(f"{wanted} of 240 answers")
        page.click("#clear")
    page.fill("#least", "40")
    page.fill("#most", "60.5")
    wanted = [row["judged"][0].get("score") for row in main]
    assert count(page).startswith(f"{sum(score is not None and 40 <= score <= 60.5 for score in wanted)} of 240")
    page.click("#clear")
    chosen(page, "condition", "")
    assert count(page) == "240 answers, shown: 1 to 50"
    chosen(page, "condition", "silence")
    assert set(column(page, "condition")) == {"silence"}
    assert page.wrong == []


def test_words_are_found_in_every_text_and_all_of_them_have_to_be_there(opened, path):
    page = opened(path)
    for words, wanted in (
        ("question 57", 1),
        ("REASONING 57", 1),
        ("transcript 59", 1),
        ("reason 58", 1),
        ("error 59", 1),
        ("i0057", 1),
    ):
        search(page, words)
        assert len(page.evaluate(SHOWN)) == wanted, words
    search(page, "joy anger")
    both = count(page)
    search(page, "joy")
    assert int(count(page).split()[0]) > int(both.split()[0]) > 0
    search(page, "nothing has these words")
    assert count(page) == "0 of 240 answers"
    assert page.locator("td.none").inner_text() == "No answer is like that."


def test_columns_sort_both_ways_with_what_has_no_score_last(opened, path):
    page = opened(path)
    head = page.locator("#answers th.score")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    scores = [float(score) for score in column(page, "score") if score != "–"]
    assert scores == sorted(scores) and len(scores) == 50
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(score) for score in column(page, "score")] == sorted(map(float, column(page, "score")), reverse=True)
    page.locator("[data-turn='1']").first.click()
    page.locator("[data-turn='1']").first.click()
    assert column(page, "score")[-1] == "–"
    page.locator("#answers th.question button").click()
    numbers = [int(text.split()[1].rstrip("?")) for text in column(page, "question")]
    assert numbers == sorted(numbers)  # question 2 before question 10
    assert head.get_attribute("aria-sort") is None


def test_an_open_row_shows_all_there_is_and_its_clip_plays(opened, path):
    page = opened(path)
    page.locator("button.open").nth(1).click()
    shown = page.locator("tr.more").inner_text()
    for words in (
        "question 1",
        "reference 1",
        "answer 1",
        "reasoning 1",
        "reason 1",
        "score 7",
        "transcript 1",
        "Under silence",
    ):
        assert words in shown
    assert page.locator("audio").count() == 0
    page.locator("button.play").click()
    assert page.evaluate(HEARD) > 0.5
    assert page.wrong == []


def test_the_keyboard_is_enough(opened, path):
    page = opened(path)
    active = "document.activeElement.closest('tr.row') && document.activeElement.closest('tr.row').cells[0].textContent"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("/17")  # a slash in the field is a slash
    assert page.evaluate("document.getElementById('q').value") == "/17"
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(active) == "i0000"
    for key, wanted in (
        ("ArrowDown", "i0001"),
        ("End", "i0049"),
        ("ArrowDown", "i0050"),
        ("ArrowUp", "i0049"),
        ("Home", "i0000"),
    ):
        page.keyboard.press(key)
        assert page.evaluate(active) == wanted
    page.keyboard.press("PageDown")
    assert page.evaluate(active) == "i0050" and "51 to 100" in count(page)
    assert page.locator("button.open[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    assert page.locator("button.open[aria-expanded='true']").count() == 1
    page.keyboard.press("p")
    assert page.evaluate(HEARD) > 0.5
    page.keyboard.press("Escape")
    assert page.locator("tr.more").count() == 0 and page.evaluate(active) == "i0050"
    assert page.wrong == []


def test_a_screen_reader_finds_names_a_table_and_counts_that_are_told(opened, path):
    page = opened(path)
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate("[...document.querySelectorAll('thead th')].filter(head => head.scope !== 'col').length") == 0
    assert page.locator("#count").get_attribute("aria-live") == "polite"
    assert page.evaluate("[...document.querySelectorAll('#answers tbody th')].every(head => head.scope === 'row')")
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(head => Number(head.tagName[1]))")
    assert levels[0] == 1 and all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    targets = page.evaluate("[...document.querySelectorAll('a[href^=\"#\"]')].map(link => link.hash.slice(1))")
    assert set(targets) <= set(ids)


def test_no_markup_of_a_model_a_data_set_or_a_judge_runs(opened, tmp_path):
    kinds = (
        "</script><script>window.pwned = 1</script>",
        "<img src=x onerror='window.pwned = 2'>\"'`${window.pwned = 3}`",
        "javascript:window.pwned=4",
        "<svg onload=window.pwned=5><!--<script>",
        "\u202e\u2028 \x00 {{ data }} {% raw %} \\u003cscript\\u003e",
    )
    run = made.make_run(
        tmp_path / "run",
        [
            (
                made.task("task<img src=x onerror=alert(1)>"),
                made.items_of("task<img src=x onerror=alert(1)>", 20, say=lambda field, at: kinds[at % 5] + field),
            )
        ],
        say=lambda field, at: kinds[at % 5] + field + "x" * (10_000 if at == 4 else 0),
        model=kinds[0],
    )
    page = opened(write_report(run), viewport={"width": 390, "height": 800})
    page.evaluate("[...document.querySelectorAll('button.open')].forEach(button => button.click())")
    assert page.locator("tr.more").count() == 20
    shown = page.locator("#answers").evaluate("table => table.textContent")
    assert kinds[0] in shown and kinds[1] in shown and "<svg onload" in shown
    assert (
        page.evaluate("document.querySelectorAll('#answers img, #answers script, #answers svg, main img').length") == 0
    )
    assert page.evaluate("window.pwned") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.wrong == []
