"""Displays of training progress, which receive its events."""
