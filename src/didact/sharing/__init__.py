"""Networks that leave: a run packed with its weights, a description and a model card, and back."""

from didact.sharing.folder import load, pack_run

__all__ = ["load", "pack_run"]
