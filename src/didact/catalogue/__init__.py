"""Descriptions of methods and settings, as values and as reference pages."""
