"""Methods by which students learn from each other: one file for each paper; its name is the
method's name."""
