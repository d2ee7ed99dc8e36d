"""The one page kit: every HTML page of cpbench is a template over `base.html`, and is one file that works from file://.

    render("cpbench.comparison", "compare.html", title="...", ...) -> str

A template lies beside the module that fills it, begins with `{% extends "base.html" %}` and fills the block `main`.
Values are escaped wherever they stand; a plot (`plots.py`) is inline SVG. Nothing is fetched, and the page's policy
lets no script run but its own. A page with a script of its own names the file, and gives it data in a block that no
browser runs: `<script type="application/json" id="data">{{ data|tojson }}</script>`.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

__all__ = ["render"]


def render(
    package: str, template: str, *, own_style: str | None = None, own_script: str | None = None, **data: Any
) -> str:
    """Return the page that `template` of `package` makes of `data`, which must hold `title`: the same bytes every time.

    `own_style`, `own_script`: files beside the template that the page has besides the kit's. Raises
    jinja2.UndefinedError for a name that the template uses and `data` does not hold.
    """
    import jinja2

    def source(name: str) -> str | None:
        for place in (package, __name__):
            if (found := files(place) / name).is_file():
                return found.read_text(encoding="utf-8")
        return None

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    style = "\n".join([_file(__name__, "page.css"), *([_file(package, own_style)] if own_style else [])])
    scripts = [_file(__name__, "page.js"), *([_file(package, own_script)] if own_script else [])]
    allowed = " ".join(map(_hash, scripts))
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}; media-src 'self' file:"
    page = environment.get_template(template)
    return page.render(style=style, scripts=scripts, policy=policy, **data) + "\n"


def number(value: float | None, digits: int = 1) -> str:
    """A number as a table has it, or a dash where there is none.

    >>> number(12.345), number(-0.04), number(None)
    ('12.3', '0.0', '–')
    """
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace("-", "", 1) if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def _file(package: str, name: str) -> str:
    return (files(package) / name).read_text(encoding="utf-8").strip()


def _hash(script: str) -> str:
    """What a policy calls a script by: no other one runs, whatever got into the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
