"""Tocsin: alarms committed before they are acknowledged, pictures with a purpose, an audit that proves it."""

__version__ = "0.1.0"
