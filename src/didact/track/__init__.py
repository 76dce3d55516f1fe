"""Displays of training progress, and trackers of others, which receive its events."""
