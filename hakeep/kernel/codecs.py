"""pyroute2's message classes, without the rest of pyroute2.

`import pyroute2` loads its databases, namespaces and event loop: a quarter of a second and 15 MB that a daemon pays for
nothing. The classes that pack and unpack netlink messages need none of it. So while they are imported, an empty package
stands in for pyroute2's own; afterwards it is taken away again, and whoever imports pyroute2 gets the real one.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any


def _load() -> tuple[Any, ...]:
    from pyroute2.netlink import ctrlmsg, genlmsg, nla
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
    from pyroute2.netlink.rtnl.ifinfmsg.plugins.ipvlan import ipvlan

    return ifaddrmsg, ifinfmsg, ipvlan, ctrlmsg, genlmsg, nla


def _load_alone() -> tuple[Any, ...]:
    spec = find_spec("pyroute2")
    if "pyroute2" in sys.modules or spec is None or spec.submodule_search_locations is None:
        return _load()
    stand_in = ModuleType("pyroute2")
    stand_in.__path__ = list(spec.submodule_search_locations)
    sys.modules["pyroute2"] = stand_in
    try:
        return _load()
    except ImportError:  # a version whose classes need their package
        for name in [name for name in sys.modules if name.startswith("pyroute2.")]:
            del sys.modules[name]
        sys.modules.pop("pyroute2", None)
        return _load()
    finally:
        if sys.modules.get("pyroute2") is stand_in:
            del sys.modules["pyroute2"]


ifaddrmsg, ifinfmsg, ipvlan, ctrlmsg, genlmsg, nla = _load_alone()
