"""How students learn from each other: one file a paper; the file name is the method's name."""
