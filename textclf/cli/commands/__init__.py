"""One file a command: its options, what it calls, and what it says.

The name of the file is that of the command, and its object `command` is what click calls.
A command does not calculate, and no command imports another.
"""
