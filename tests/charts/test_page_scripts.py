"""Scripts of pages: put together of parts that share a scope, each thing written once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mixedscope
from mixedscope.charts.common.web.document import document, part

CHARTS = Path(mixedscope.__file__).parent / "charts"
SHARED = CHARTS / "common/web"
OWN = {"explorer": CHARTS / "kinds/explorer", "player": CHARTS / "kinds/motion"}

#: What a script defines in the scope of its page: two spaces before it.
_DEFINED = re.compile(r"^  (?:const|let|(?:async )?function) (?:\{[^}]*\} = |)(\w+)", re.M)


def definitions(folder: Path) -> dict[str, str]:
    """What scripts define, with the text up to the next definition."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.js")):
        text = re.sub(r"//.*", "", path.read_text("utf-8"))
        places = list(_DEFINED.finditer(text))
        ends = [place.start() for place in places[1:]] + [len(text)]
        for place, end in zip(places, ends, strict=True):
            assert place[1] not in found, f"{place[1]} is defined twice in {folder.name}"
            found[place[1]] = " ".join(text[place.start() : end].split())
    return found


@pytest.mark.parametrize("page", OWN)
def test_no_page_defines_what_is_shared(page: str) -> None:
    shared, own = definitions(SHARED), definitions(OWN[page])
    assert len(shared) > 20
    assert len(own) > 20
    assert not shared.keys() & own.keys()


def test_pages_share_what_they_would_both_write() -> None:
    explorer, player = (set(definitions(folder).values()) for folder in OWN.values())
    # What two pages say in the same words and is longer than a name.
    assert {text for text in explorer & player if len(text) > 40} == set()


def test_each_script_can_be_read_in_one_sitting() -> None:
    for folder in (SHARED, *OWN.values()):
        for path in folder.glob("*.js"):
            assert len(path.read_text("utf-8").splitlines()) < 300, path.name


def test_head_of_a_page_escapes_its_title_and_its_way_back() -> None:
    page = document(
        "<main></main>",
        title='<b>"Ärger"</b>',
        policy="default-src 'none'",
        style="a { color: red }",
        script="",
        back=('x.html#"><script>', "<back>"),
    ).decode()
    assert "<b>" not in page
    assert "<back>" not in page
    assert page.count("<script>") == 1
    assert page.count("<h1>&lt;b&gt;") == 1
    assert 'lang="en"' in page
    assert (
        "Chart"
        in document("", title="", policy="", style="", script="", head='<link rel="x">').decode()
    )
    assert "--soft" in part("base.css")
