"""The page kit: what is put in is escaped, only the page's own script may run, the bytes are the same."""

import base64
import hashlib
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
