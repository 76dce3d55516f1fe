"""Records of finished runs, checkpoints of unfinished ones, and answers kept beside a Record.

The Records themselves are in this folder: :class:`.store.Store`, :class:`.record.Record`, how one
is found (:mod:`.choice`). What is done with them has a folder each.
"""
