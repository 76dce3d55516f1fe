"""Methods by which a student learns from a frozen teacher: one file for each paper."""
