"""`hakeep schema`: the JSON Schema of the YAML form, for editors that complete and check YAML by one.

It lies in conf/hakeep.schema.json too. An editor that speaks to yaml-language-server finds it by a comment at the top
of the file: ``# yaml-language-server: $schema=PATH``.
"""

from __future__ import annotations

import argparse
import sys

from hakeep.cli.hakeep_connection import DONE


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """There are no arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Print the schema; the exit status."""
    from hakeep.config.forms.jsonschema import render

    sys.stdout.write(render())
    return DONE
