"""Executors, one a file: the file's name is the executor's."""
