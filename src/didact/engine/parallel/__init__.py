"""One training by several processes: each batch is divided among them, and the result is that of
one process.
"""
