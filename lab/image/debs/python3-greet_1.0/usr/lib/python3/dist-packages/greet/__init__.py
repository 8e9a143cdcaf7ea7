"""Greets people."""
from greet.words import HELLO

__version__ = "1.0"


def greet(name):
    return f"{HELLO}, {name}! (greet {__version__})"
