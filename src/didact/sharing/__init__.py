"""Networks that leave: a run of a store packed with its weights, what they are of, and a model card; and loaded again."""

from didact.sharing.folder import load, pack_run

__all__ = ["load", "pack_run"]
