"""How hard the tests try that try at random: HAKEEP_EFFORT times as much as usual.

`./tests/run quick` sets it to a quarter. Up to the usual effort all runs try the same, so that what fails in one fails
in the next; with more, say `HAKEEP_EFFORT=10 ./tests/run quick -k wire`, each run looks elsewhere.
"""

from __future__ import annotations

import os

EFFORT = float(os.environ.get("HAKEEP_EFFORT", "1"))


def tries(usual: int) -> int:
    """As many as this run shall try where `usual` are usual; one at least."""
    return max(1, round(usual * EFFORT))
