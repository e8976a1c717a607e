"""The command line: options become objects, one call is made, and results go to a stream.

Each command is one file of `commands/`, imported when it is called. Nothing is calculated here, and no other package
imports from here.
"""

from textclf.cli.app import COMMANDS, LazyGroup, cli, main, run

__all__ = ["COMMANDS", "LazyGroup", "cli", "main", "run"]
