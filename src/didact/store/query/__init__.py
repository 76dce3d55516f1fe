"""Asking a store: a list of its runs, their fields, the language of ``--where``."""
