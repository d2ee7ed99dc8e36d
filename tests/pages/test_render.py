"""The page kit: what is put in is escaped, only the page's own script may run, the bytes are the same."""

import base64
import hashlib
import json
import re
import sys

import jinja2
import pytest

from cpbench import pages

TEMPLATE = '{% extends "base.html" %}{% block main %}<p>{{ cell }}</p>{% endblock %}'


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "a_page_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "page_of_a_test.html").write_text(TEMPLATE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder.name
    sys.modules.pop(folder.name, None)


def made(package, cell="x", title="A title"):
    return pages.render(package, "page_of_a_test.html", title=title, cell=cell)


def test_markup_in_a_value_stays_text(package):
    page = made(package, cell="<script>alert(1)</script>", title="</title><img src=x onerror=alert(2)>")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<img" not in page


def test_the_policy_lets_the_pages_own_script_run_and_no_other(package):
    page = made(package)
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.replace("&#39;", "'")


def test_nothing_is_fetched(package):
    page = made(package)
    assert "http:" not in page
    assert "https:" not in page
    assert re.findall(r"<(?:link|iframe|object|script) [^>]*>|@import|url\(", page) == []


def test_the_same_values_give_the_same_bytes(package):
    assert made(package) == made(package)


def test_a_value_that_is_missing_is_an_error_and_not_a_gap(package):
    with pytest.raises(jinja2.UndefinedError, match="cell"):
        pages.render(package, "page_of_a_test.html", title="x")


def test_a_page_may_bring_a_style_and_a_script_and_data_that_do_not_run(package, tmp_path):
    folder = tmp_path / package
    (folder / "own.js").write_text("var mine = 1;\n", encoding="utf-8")
    (folder / "own.css").write_text(".mine { color: red; }\n", encoding="utf-8")
    block = '<script type="application/json" id="data">{{ cell|tojson }}</script>'
    (folder / "page_of_a_test.html").write_text(TEMPLATE.replace("<p>{{ cell }}</p>", block), encoding="utf-8")
    hostile = "</script><script>alert(1)</script>"
    page = pages.render(
        package, "page_of_a_test.html", own_style="own.css", own_script="own.js", title="x", cell=hostile
    )
    kit, own = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert own == "var mine = 1;"
    for script in (kit, own):
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in page
    assert ".mine { color: red; }" in page
    assert hostile not in page
    (data,) = re.findall(r'id="data">(.*?)</script>', page)
    assert json.loads(data) == hostile
