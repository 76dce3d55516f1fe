"""Deployment of networks: their memory, their latency, and devices that hold them."""
