"""Shows of a training's progress: they receive its events."""
