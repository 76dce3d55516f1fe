"""A run's files until they are a Record: its folder, its checkpoints, the seal."""
