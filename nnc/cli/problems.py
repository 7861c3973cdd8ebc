"""Exceptions that end a command."""

from __future__ import annotations


class Problem(Exception):
    """A command's input is invalid; the message is one line for the user."""


class Interrupted(Exception):
    """Ctrl-C, with a message for the user: what was written and how to continue."""
