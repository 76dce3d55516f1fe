"""Shipping networks: what they need in memory and time, and which devices hold them."""
