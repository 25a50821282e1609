"""What is said of ledgers: where the variance ends, and what the panels show."""

from __future__ import annotations

from collections.abc import Sequence

from mixedscope.charts.common.link_scale import scale_words
from mixedscope.charts.common.numerals import fixed, number, shares
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.kinds.ledger.books import Books
from mixedscope.charts.kinds.shrinkage.words import joined

__all__ = ["ledger_caption", "ledger_title"]


def ledger_title(books: Sequence[Books]) -> str:
    """Say where the variance of the first fit lies in the end, and where it lay at first."""
    book = books[0]
    if book.is_generalized:
        return _deviations_title(books)
    parts = [*book.groups, None]
    last = shares([float(book.of("share", g).iloc[-1]) for g in parts])
    first = shares([float(book.of("share", g).iloc[0]) for g in parts])
    names = [
        f"{end} {'at the observations' if g is None else f'between levels of {g}'}"
        f" ({'at first ' if g == parts[0] else ''}{start})"
        for g, start, end in zip(parts, first, last, strict=True)
    ]
    where = f"Where the variance ends: {joined(names)}"
    if len(books) == 1:
        return where
    return f"{_label(book)}: {where[0].lower()}{where[1:]}"


def _deviations_title(books: Sequence[Books]) -> str:
    """Say where the standard deviations of the first fit end, and where they were at first."""
    book = books[0]
    names = [
        f"{number(float(sd.iloc[-1]))} for {group}: {term} (at first {number(float(sd.iloc[0]))})"
        for (group, term), sd in book.deviations().items()
    ]
    where = f"SDs of random effects, {scale_words(book.info)}, end at {joined(names)}"
    return where if len(books) == 1 else f"{_label(book)}: {where}"


def _label(book: Books) -> str:
    label = structure_label(book.info)
    return label[:1].upper() + label[1:]


def ledger_caption(books: Sequence[Books]) -> str:
    """Describe the four panels, and where each fit went from and to."""
    info = books[0].info
    if books[0].is_generalized:
        return " ".join([_generalized_words(books[0]), *(_fit_words(b, books) for b in books)])
    words = [
        f"The books kept while {info['formula']} was fitted, at the evaluations that improved on "
        "all before them. From above: each level's share of the variance of an observation; the "
        "standard deviation of each contribution to it; the effective degrees of freedom (sum of "
        "the leverages) that fixed effects and grouping factors spend, and dashed what the penalty "
        "on the random effects is worth in units of σ²"
        + (
            ", which at a REML optimum is the same; "
            if info["criterion"] == "REML"
            else ", which at an optimum is a little more, as maximum likelihood takes the fixed "
            "effects for known; "
        )
        + "the objective minus its final value (bold) and its two parts, what the residual "
        "variance costs (dashed) and the log-determinant, the price of variance between groups "
        "(dotted)."
    ]
    words += [_sentence(book, books) for book in books]
    return " ".join(words)


def _generalized_words(book: Books) -> str:
    """Describe the three panels of a generalised model."""
    return (
        f"The books kept while {book.info['formula']} was fitted, at the evaluations that improved "
        "on all before them. From above: standard deviations of the random effects on the scale of "
        f"the link ({scale_words(book.info)}); the objective minus its final value (bold) and its "
        "three parts, −2 log-likelihood given the conditional modes (dashed), the penalty |u|² on "
        "them, and the log-determinant of their information; the Newton steps that it took to find "
        "them."
    )


def _part(value: float) -> str:
    """A part of an objective in five digits, or to a tenth, thousands set off."""
    return fixed(value, 1) if abs(value) >= 1000.0 else number(value, 5)


def _fit_words(book: Books, books: Sequence[Books]) -> str:
    """Tell from where to where the parts of a fit's objective went."""
    start, last = book.ledger.iloc[0], book.ledger.iloc[-1]
    label = "" if len(books) == 1 else f"{_label(book)}: "
    ways = [
        f"{words} from {_part(start[name])} to {_part(last[name])}"
        for words, name in (
            ("−2 log L given modes went", "conditional_deviance"),
            ("the penalty", "penalty"),
            ("the log-determinant", "log_det"),
        )
    ]
    steps = int(book.ledger["newton_steps"].sum())
    return f"{label}{joined(ways)}; {steps:,} Newton steps in all at these evaluations."


def _sentence(book: Books, books: Sequence[Books]) -> str:
    last = book.ledger.iloc[-1]
    n = book.info["dimensions"]["n"]
    spent = [f"{number(float(book.of('edf', g).iloc[-1]), 4)} for {g}" for g in book.groups]
    label = "" if len(books) == 1 else f"{_label(book)}: "
    start = book.ledger.iloc[0]
    return (
        f"{label}σ went from {number(float(start['sigma']), 4)} to "
        f"{number(float(last['sigma']), 4)}, the degrees of freedom from "
        f"{number(float(start['edf']), 4)} to {number(float(last['edf']), 4)} of {n:,} "
        f"({number(float(last['edf_fixed']), 4)} for the fixed effects, {joined(spent)})."
    )
