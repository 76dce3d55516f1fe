"""How a teacher is prepared for its students: one file a paper; the file name is the method's name."""
