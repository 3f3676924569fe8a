"""When which invariant is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulation.invariants import (
    a_one_master,
    b_two_holders,
    c_no_holder,
    d_last_word,
    e_foreign_state,
    g_state_and_addresses,
    h_wanted_is_had,
)

Check = Callable[..., Any]

AFTER_STEP: tuple[Check, ...] = (g_state_and_addresses.held_iff_master,)
ON_ADVERT: tuple[Check, ...] = (g_state_and_addresses.adverts_only_as_master,)
ON_CHANGE: tuple[Check, ...] = (e_foreign_state.only_ours_is_changed,)
WHEN_QUIET: tuple[Check, ...] = (
    a_one_master.when_quiet, d_last_word.belongs_to_the_holder, e_foreign_state.untouched, h_wanted_is_had.when_quiet,
)
AT_END: tuple[Check, ...] = (b_two_holders.never_for_long, c_no_holder.never_for_long)
