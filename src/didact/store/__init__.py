"""Records of finished runs, checkpoints of unfinished ones, and answers kept beside a Record."""
