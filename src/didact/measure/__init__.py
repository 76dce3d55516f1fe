"""Measurements of finished runs: similarity, layers, comparison, linear probes."""
