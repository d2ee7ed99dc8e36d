"""The rating page in a real browser, from file:// with the network off: nothing but the keyboard, and nothing lost."""

import random

import pytest

from cpbench.judges.validity.humans import read_humans
from cpbench.judges.validity.rating import write_sample
from cpbench.judges.validity.sample import Plan
from cpbench.records import Rights

HOSTILE = {
    0: "</script><script>window.pwned = 1</script>",
    1: "<img src=x onerror='window.pwned = 2'>\"'`${window.pwned = 3}`",
    2: "\u202eright to left \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    3: "x" * 10_000,
    4: "<!--<script>",
    5: "line\u2028separator \x00 NUL \\u003c {{ data }} {reference}",
}
PLAYED = """() => new Promise((done, failed) => {
    const audio = document.querySelector("audio");
    const look = () => audio.error ? failed(audio.error.message)
        : audio.currentTime > 0 ? done(audio.duration) : setTimeout(look, 20);
    look();
})"""
UNNAMED = """[...document.querySelectorAll("button, input, textarea, progress, [role=group]")].filter(one => !(
    one.textContent.trim() || one.getAttribute("aria-label") || (one.labels && one.labels.length)
)).map(one => one.outerHTML)"""


@pytest.fixture
def sample_of(run_of, tmp_path):
    """A function: a written sample of one run, `says`: (number) -> the answer."""

    def make(n, says=lambda at: f"answer to {at}", **options):
        known = {"rights": options.pop("rights")} if "rights" in options else {}
        run = run_of("one", lambda item: says(int(item.id[1:])), items=n, **known)
        return write_sample([run], Plan(n, raters=options.pop("raters", 1)), tmp_path / "out", **options)

    return make


def started(page, name="Ada L."):
    page.keyboard.press("Control+A")  # the field for the name has the focus
    page.keyboard.type(name)
    page.keyboard.press("Enter")


def saved(page, path, press="d"):
    with page.expect_download() as download:
        page.keyboard.press(press) if len(press) == 1 else page.click(press)
    download.value.save_as(path)
    return path


def text(page, of):
    return page.locator(of).evaluate("element => element.textContent")


def test_two_hundred_answers_by_keyboard_alone_with_a_reload_in_between(sample_of, opened, tmp_path):
    written = sample_of(200)
    page = opened(written.pages[0])
    started(page)
    order = page.evaluate("JSON.parse(document.getElementById('data').textContent).items.map(item => item.question)")
    keys = random.Random(0).choices("012345x", k=200)
    told = dict(zip(order, keys, strict=True))
    for at in range(0, 200, 20):
        assert text(page, "#place") == f"Answer {at + 1} of 200"
        assert text(page, "#question") == order[at]
        page.keyboard.type("".join(keys[at : at + 20]))
        if at == 80:
            page.reload()
            assert text(page, "#count").startswith("100 rated")
    assert page.locator("#finished").is_visible()
    files = saved(page, tmp_path / "ratings.csv"), saved(page, tmp_path / "ratings.jsonl", "#jsonl")
    for file in files:
        ratings = read_humans(file, key=written.out / "sample.json")
        scores = {f"question {one.item_id[1:]}?": one.score for one in ratings}
        assert scores == {question: None if key == "x" else float(key) for question, key in told.items()}
        assert {(one.system, one.annotator, one.task) for one in ratings} == {("one", "Ada L.", "task")}
    assert page.wrong == []


@pytest.mark.parametrize(("rights", "copied"), [(Rights("CC0", audio_in_report=True), 1), (Rights("closed"), 0)])
def test_the_clip_plays_where_it_lies_and_its_player_is_made_on_demand(sample_of, opened, rights, copied):
    written = sample_of(2, rights=rights)
    assert (written.copied, len(written.linked)) == (copied, 1 - copied)
    page = opened(written.pages[0])
    started(page)
    assert page.locator("audio").count() == 0
    page.keyboard.press("Space")
    assert page.evaluate(PLAYED) > 0
    page.keyboard.press("ArrowRight")
    assert page.locator("audio").count() == 0
    assert page.wrong == []


def test_undo_comments_the_reference_and_moving_about(sample_of, opened, tmp_path):
    written = sample_of(4)
    page = opened(written.pages[0])
    started(page)
    asked = []
    for key in ("3", "x", "ArrowLeft", "ArrowLeft"):
        asked.append(text(page, "#question"))
        page.keyboard.press(key)
    first, second = asked[:2]
    assert page.locator("[data-score='3']").get_attribute("aria-pressed") == "true"
    page.keyboard.press("5")  # another mind: the rating is replaced
    page.keyboard.press("u")
    assert page.locator("[data-score='3']").get_attribute("aria-pressed") == "true"
    page.keyboard.press("n")
    assert text(page, "#place") == "Answer 3 of 4"
    page.keyboard.press("c")
    page.keyboard.type('1, 2 and "3";\nnot rated: x d u')
    page.keyboard.press("Escape")
    assert not page.locator("#reference").is_visible()
    page.keyboard.press("r")
    assert text(page, "#reference").startswith("gold ")
    third = text(page, "#question")
    page.reload()
    assert text(page, "#place") == "Answer 3 of 4"
    assert page.locator("#comment").input_value() == '1, 2 and "3";\nnot rated: x d u'
    page.keyboard.press("7")
    assert text(page, "#said") == "From 0 to 5."
    found = {
        f"question {one.item_id[1:]}?": (one.score, one.comment, one.saw_reference)
        for one in read_humans(saved(page, tmp_path / "r.csv"), key=written.out / "sample.json")
    }
    assert found == {
        first: (3.0, "", False),
        second: (None, "", False),
        third: (None, '1, 2 and "3";\nnot rated: x d u', True),
    }
    assert page.wrong == []


def test_a_saved_file_is_gone_on_from_in_another_browser(sample_of, opened, tmp_path):
    written = sample_of(3)
    page = opened(written.pages[0])
    started(page)
    for key in "2x":
        page.keyboard.press(key)
    file = saved(page, tmp_path / "r.jsonl", "#jsonl")
    other = opened(written.pages[0])
    started(other)
    assert text(other, "#count").startswith("0 rated")
    other.set_input_files("#load", file)
    other.wait_for_selector("#gone:not([hidden])")
    assert text(other, "#count") == "2 rated, 1 of them \u201ccannot tell\u201d, 1 to go"
    assert saved(other, tmp_path / "again.jsonl", "#jsonl").read_text() == file.read_text()


def test_where_nothing_can_be_kept_it_is_said(sample_of, opened, tmp_path):
    page = opened(sample_of(2).pages[0])
    page.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('off') }})")
    page.reload()
    assert page.locator("#unkept").is_visible()
    started(page)
    page.keyboard.press("4")
    assert page.locator("#unkept").is_visible()
    assert text(page, "#count").startswith("1 rated")


def test_hostile_texts_are_shown_as_they_are_and_everything_fits_a_phone_and_has_a_name(sample_of, opened):
    written = sample_of(6, HOSTILE.get)
    page = opened(written.pages[0], viewport={"width": 390, "height": 780})
    started(page)
    shown = []
    for _ in range(6):
        shown.append(text(page, "#answer"))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.keyboard.press("0")
    assert sorted(shown) == sorted(HOSTILE.values())
    assert page.evaluate("window.pwned") is None
    assert text(page, "#said").startswith("Rated 0. All are rated.")
    unnamed = page.evaluate(UNNAMED)
    assert unnamed == []
    assert page.wrong == []
