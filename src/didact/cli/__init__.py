"""The command line. ``didact --help`` imports no torch; each command imports what it needs."""
