"""What the parts of a fit of a generalised model ask of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from mixedscope.api.generalized.model import GeneralizedModel
from mixedscope.api.tabled_fit import TabledFit

__all__ = ["GeneralizedNumbers"]


class GeneralizedNumbers(TabledFit[GeneralizedModel]):
    """The model of a fit, and where its search ended."""

    if TYPE_CHECKING:

        @property
        def vcov(self) -> pd.DataFrame:
            """See `GeneralizedFit.vcov`."""

    @property
    def _endless(self) -> tuple[str, ...]:
        """Fixed effects at infinity, by the certificate."""
        return tuple(self.certificate.get("at_infinity", ()))
