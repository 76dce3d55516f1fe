"""The built-in data sets: one file each, found by its name (``tiny_imagenet.py`` is
``tiny-imagenet``).

A file holds the facts of a data set and its reader, as ``DATA_SET``
(:class:`didact.data.contract.DataSource`).
"""
