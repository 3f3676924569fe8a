"""Rules: what is wrong between the parts of a configuration, once each part is right.

Each module looks at one matter and adds to the findings. Rules change nothing.
"""

from __future__ import annotations

from hakeep.config.diagnostic import Diagnostic, Findings
from hakeep.config.host import Host
from hakeep.config.keywords.static import Config
from hakeep.config.rules.routing import check_routing
from hakeep.config.rules.scripts import check_scripts
from hakeep.config.rules.services import check_services
from hakeep.config.rules.tracking import check_tracking


def check(config: Config, host: Host) -> list[Diagnostic]:
    """What all rules find."""
    findings = Findings()
    check_tracking(config, host, findings)
    check_routing(config, findings)
    check_services(config, findings)
    check_scripts(config, host, findings)
    return findings
