"""The papers' studies: grids of Runs with the published numbers beside them, one file a paper."""

apart = ("contract", "quickstart", "scales", "sftn_settings", "sftn_tables")
"""Files that are no study: what studies share, and quickstart, which is a command of its own."""
