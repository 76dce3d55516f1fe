"""How a student learns from a frozen teacher: one file a paper; the file name is the method's name."""
