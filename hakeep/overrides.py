"""What operators want of real servers, whatever their checks say: kept over restarts, also of the host, until undone.

An order stands for a real server in one virtual server, or in all of them; a newer one takes the place of the older.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from hakeep.lvs.messages import Ordered
from hakeep.lvs.orders import Orders
from hakeep.whole_file import read_json, write_json

#: Where state that outlives a boot lies, unless systemd says otherwise (StateDirectory= of its units).
DIRECTORY = Path("/var/lib/hakeep")

PORT_MAX, WEIGHT_MAX = 65535, 2**31 - 1


def state_file(instance: str) -> Path:
    """The file of the daemon with this instance name ("" = it has none)."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    name = f"real_servers_{instance}.json" if instance else "real_servers.json"
    return (Path(given) if given else DIRECTORY) / name


class Overrides:
    """The orders in force, in memory and in `file`. `damage` says why a file was not taken, "" = it was."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._orders = Orders()
        self.damage = ""
        try:
            self._orders = Orders([_order(entry) for entry in read_json(file) or ()])
        except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            self.damage = f"orders for real servers in {file} cannot be read and do not hold: {error}"

    def __iter__(self) -> Iterator[Ordered]:
        return iter(self._orders)

    def put(self, order: Ordered) -> None:
        """From now on. Raises OSError when it will not outlive a restart; it holds all the same."""
        self._orders.take(order)
        self._file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_json(self._file, [{**each._asdict(), "ip": str(each.ip)} for each in self])


def _order(entry: Any) -> Ordered:
    """One entry of the file. A number that the kernel cannot have would end every worker that is told it."""
    port, weight = int(entry["port"]), int(entry["weight"])
    if not (0 <= port <= PORT_MAX and 0 <= weight <= WEIGHT_MAX):
        raise ValueError(f"port {port} or weight {weight} is out of range")
    return Ordered(str(entry["what"]), ip_address(entry["ip"]), port, str(entry["virtual"]), weight)
