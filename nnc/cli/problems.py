"""What ends a command."""

from __future__ import annotations


class Problem(Exception):
    """What a command was given does not fit; the message is one line for the person who typed it."""


class Interrupted(Exception):
    """Ctrl-C, with what a person wants to know then: what was written and how to go on."""
