"""hakeep keeps a service reachable when a machine dies: a VRRP daemon in Python."""

__version__ = "0.1.0"
