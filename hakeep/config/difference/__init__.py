"""What is different between two configurations in what they mean, and what a reload would do about it.

`running` compares settings: what runs, after all defaults, so that a default written out is no difference, nor is the
order of addresses, peers or blocks. `kept` compares what hakeep reads but does not act on, as it is written.
"""

from __future__ import annotations

from hakeep.config.difference.change import Change, Effect, sentences, worst
from hakeep.config.difference.kept import kept_changes
from hakeep.config.difference.running import changes
from hakeep.config.loaded import Loaded

__all__ = ["Change", "Effect", "changes", "difference", "sentences", "worst"]


def difference(old: Loaded, new: Loaded) -> list[Change]:
    """All differences between two configurations that could be read."""
    assert old.settings is not None and new.settings is not None
    return [*changes(old.settings, new.settings), *kept_changes(old.config, new.config)]
