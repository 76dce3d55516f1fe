"""Renderers of tables, and figures."""
