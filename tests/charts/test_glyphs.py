"""Characters that no font has: found and named, with a font to install."""

from __future__ import annotations

import pytest

from mixedscope.charts.common import glyphs


@pytest.fixture
def fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose fonts have Thai and one ideograph."""
    monkeypatch.setattr(
        glyphs, "_covered", lambda: ((0x20, 0x24F), (0x0E00, 0x0E7F), (0x5B66,) * 2)
    )


@pytest.mark.usefixtures("fonts")
@pytest.mark.parametrize("text", ["Subject", "σ − λ² ≤ ½ ρ̂", "données", "ภาษาไทย", "学", ""])
def test_nothing_is_said_of_characters_that_are_drawn(text: str) -> None:
    assert glyphs.font_words(text) is None


@pytest.mark.usefixtures("fonts")
@pytest.mark.parametrize(
    ("text", "missing", "font"),
    [
        ("(1 + x | 学校)", "校", "fonts-noto-cjk"),
        ("반 1", "반", "fonts-noto-cjk"),
        ("さくら", "さ く ら", "fonts-noto-cjk"),
        ("🐟 and 🐦️", "🐟 🐦:", "fonts-noto-color-emoji"),
        ("مدرسة", "م د ر س ة", "fonts-noto-core"),
    ],
)
def test_characters_without_a_font_are_named_once(text: str, missing: str, font: str) -> None:
    said = glyphs.font_words(text + text)
    assert said is not None
    assert f"has {missing}" in said
    assert font in said
    assert "学" not in said


def test_where_no_program_knows_the_fonts_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glyphs, "_covered", lambda: None)
    assert glyphs.font_words("abc") is None
    assert "fontconfig" in str(glyphs.font_words("学"))


def test_fonts_of_this_machine_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    glyphs._covered.cache_clear()
    covered = glyphs._covered()
    if covered is None:
        pytest.skip("fontconfig is not installed")
    assert all(0 <= low <= high for low, high in covered)
