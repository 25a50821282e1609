"""A fit that is studied, saved and printed, whatever the kind of its model."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from mixedscope.api import summary
from mixedscope.api.model_data import ModelData
from mixedscope.api.printing.formats import Printed, printed
from mixedscope.api.tabled_fit import KEYFRAMES, TabledFit
from mixedscope.core.arguments import door
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.data.storable import CATEGORIES, INDEX_NAME, category_types, storable, with_index
from mixedscope.inference.studies.studied_fit import StudiedFit
from mixedscope.tables.kinds.data import DATA
from mixedscope.tables.store import FitTables, write_fit
from mixedscope.tables.table_files import write_table

__all__ = ["KeptFit"]

M = TypeVar("M", bound=ModelData)


class KeptFit(TabledFit[M]):
    """Studies of a fit, its files, and how it is printed."""

    # -- studies ----------------------------------------------------------------------------------

    @property
    def tables(self) -> FitTables:
        """All stored tables of the fit; what is missing is computed.

        Those of a loaded fit are as they were stored: only what needs the model holds them to it.
        """
        self._complete()
        if self._tables.modes is None:
            self.conditional_modes()
        if self._tables.modes_trace is None:
            self._tables.modes_trace = self.modes_trace()
        return self._tables

    @door()
    def study(self, *names: str, **settings: Any) -> FitTables:
        """Study how the fit was found and what it does; see `mixedscope.inference.studies`.

        Parameters
        ----------
        *names : str
            Studies, all by default: those that cannot be made of this fit are then left out, their
            tables saying why. What is there already is not made again.
        **settings
            Of the study, where one is named: it is then made anew.

        Returns
        -------
        FitTables
            All tables of the fit, those of the studies among them.

        Raises
        ------
        ModelError
            If there is no such study, or it has no such setting.
        UnsuitedError
            If a study that is named cannot be made of this fit.
        """
        from mixedscope.inference.studies.making import study_tables
        from mixedscope.inference.studies.registry import STUDIES, check_settings

        if settings and len(names) != 1:
            raise ModelError("Settings go with one study: name it, fit.study(name, setting=...).")
        for name in names or STUDIES:
            study = check_settings(name, settings)
            there = [self._tables.studies.get(table) for table in study.tables]
            if not settings and all(t is not None and "skipped" not in t.attrs for t in there):
                continue
            try:
                self._tables.studies.update(study_tables(self._studied(), name, settings))
            except UnsuitedError as error:
                if names:
                    raise
                self.skip_study(name, str(error))
        return self.tables

    @door()
    def skip_study(self, name: str, reason: str) -> None:
        """Store, in place of the tables of a study, why they cannot be made of this fit."""
        from mixedscope.inference.studies.registry import check_settings
        from mixedscope.tables.table_files import skipped_table

        for table in check_settings(name, {}).tables:
            self._tables.studies[table] = skipped_table(table, name, reason)

    def _studied(self) -> StudiedFit:
        """Give the fit as its studies see it."""
        model = self.model
        return StudiedFit(
            estimation=self._estimation,
            theta=self._point,
            trace=self.trace,
            truth=(model.source.get("description") or {}).get("simulate"),
            unidentified=self.certificate.get("unidentified", ()),
            data=model.data,
        )

    def _complete(self) -> None:
        """Fill in the tables that follow from the result alone."""
        self._add_references()
        if self._result is not None:
            _ = self.trace, self.timing, self.estimates

    def _add_references(self) -> None:
        """Put what is known of the joint limit beside the rest; a quick fit does without it."""
        if "references" not in (self._tables.info or self.info):
            self.info["references"] = self._estimation.references()

    # -- storing ----------------------------------------------------------------------------------

    @door()
    def save(
        self,
        directory: str | os.PathLike[str],
        *,
        only: Iterable[str] | None = None,
        keyframe_parts: int = KEYFRAMES,
        studies: bool = False,
    ) -> None:
        """Write the fit as the files of the contract.

        Parameters
        ----------
        directory : path
            Made if it does not exist. Unless the data came from a stored data set, which is then
            referred to, the columns of the model are written as ``data.parquet`` too.
        only : iterable of str, optional
            Some of ``fit``, ``trace``, ``estimates``, ``modes``, ``modes_trace``, ``timing``, and
            tables of studies; by default all of the fit, and of the studies those that were made.
        keyframe_parts : int
            See :func:`mixedscope.inference.estimates.modes.keyframes`.
        studies : bool
            Make and write all studies, see :meth:`study`.

        Raises
        ------
        StoreError
            If the directory cannot be written; nothing half-written is left.
        """
        target = Path(directory)
        wanted = None if only is None else set(only)
        if studies:
            self.study()
        if wanted is None or "modes" in wanted:
            self.conditional_modes()
        if wanted is None or "modes_trace" in wanted:
            self._tables.modes_trace = self.modes_trace(keyframe_parts)
        if wanted is None or wanted & {"fit", "trace", "estimates", "timing"}:
            self._complete()
        info = dict(self.info)
        if wanted is None or "fit" in wanted:
            info["dataset"] = {**info["dataset"], "file": self._store_data(target)}
        write_fit(target, replace(self._tables, info=info), only=only)

    def _store_data(self, target: Path) -> str:
        """Path of the data relative to the fit, written there if they have no file of their own."""
        model = self.model
        file = model.source.get("file")
        if file is not None:
            return Path(os.path.relpath(file, target)).as_posix()
        write_table(
            target / "data.parquet",
            with_index(storable(model.data)),
            DATA,
            formula=self.formula,
            sha256=self.info["dataset"]["sha256"],
            extra={
                INDEX_NAME: label if isinstance(label := model.data.index.name, str) else None,
                CATEGORIES: category_types(model.data) or None,
            },
        )
        return "data.parquet"

    # -- display ----------------------------------------------------------------------------------

    @door()
    def summary(
        self, format: str | None = None, *, file: str | os.PathLike[str] | None = None
    ) -> Printed:
        """Print the fit in one of several formats, to a file too.

        Parameters
        ----------
        format : str, optional
            ``text``, ``markdown``, ``html``, ``latex``, ``typst`` or ``word``, as for
            :func:`mixedscope.table`. By default that of the file's ending, or text.
        file : path, optional
            Where to write it too.

        Returns
        -------
        Printed
            Text in the format (plain text where that is Word), as ``print(fit)`` shows it.

        Raises
        ------
        ModelError
            If there is no such format, or the file ends as that of another.
        """
        return printed(summary.document(self.info, self.estimates), format, file)

    def __str__(self) -> str:
        return summary.text(self.info, self.estimates)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return summary.html(self.info, self.estimates)
