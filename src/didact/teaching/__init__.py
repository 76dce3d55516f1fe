"""How a teacher is prepared for its students: one file a paper; the file name is the method's
name."""

apart = ("route",)
"""No method on the teacher, but a Teacher: any method works along a route."""
