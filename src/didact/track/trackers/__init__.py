"""Trackers, one file each, found by file name: each has a function ``make(where, root)``, which
raises RequestError where its library is missing or ``where`` makes no sense."""
