"""``python -m didact``."""

from didact.cli.main import entry

entry()
