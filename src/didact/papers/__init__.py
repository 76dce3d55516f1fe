"""The papers' studies: grids of Runs with the published figures, one file for each paper."""

apart = ("contract", "quickstart", "scales", "sftn_settings", "sftn_tables")
"""Files that are not studies: parts that studies share, and quickstart, which has its own
command."""
