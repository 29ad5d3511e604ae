"""Benches: every figure the docs quote, measured on the shipped server through its sockets."""
