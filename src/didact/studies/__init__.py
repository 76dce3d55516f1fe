"""Runs and their addresses, the store that keeps their Records, where they are computed, and tables over them."""
