"""Sync groups: who is in which, what a group says for its members, and what it tells the world itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hakeep.config.keywords.global_defs import GlobalDefs
from hakeep.config.keywords.static import Config
from hakeep.config.keywords.tracking import VrrpSyncGroup
from hakeep.config.settle.globals import settle_alert
from hakeep.config.settled import Notify, SyncGroup, VrrpInstance


def memberships(config: Config) -> dict[str, VrrpSyncGroup]:
    """The group of each name that is in one. An instance is in one group only: the first that names it."""
    found: dict[str, VrrpSyncGroup] = {}
    for group in config.vrrp_sync_group:
        for name in group.group:
            found.setdefault(name, group)
    return found


def settle_groups(
    config: Config, instances: Iterable[VrrpInstance], groups: Mapping[str, VrrpSyncGroup],
) -> tuple[SyncGroup, ...]:
    """The groups that have members which run; one is enough, though it has no effect then (a rule says so)."""
    running = {instance.name for instance in instances}
    settled = []
    for group in config.vrrp_sync_group:
        members = tuple(name for name in dict.fromkeys(group.group) if name in running and groups[name] is group)
        if members:
            settled.append(SyncGroup(group.name, members, _notify(group, config.global_defs or GlobalDefs())))
    return tuple(settled)


def _notify(group: VrrpSyncGroup, inherited: GlobalDefs) -> Notify:
    """The scripts of the group itself."""
    priority_changes = group.notify_priority_changes
    if priority_changes is None:
        priority_changes = inherited.vrrp_notify_priority_changes
    return Notify(
        master=group.notify_master,
        backup=group.notify_backup,
        fault=group.notify_fault,
        stop=group.notify_stop,
        any=group.notify,
        priority_changes=bool(priority_changes),
        smtp_alert=settle_alert(group.smtp_alert, inherited),
    )
