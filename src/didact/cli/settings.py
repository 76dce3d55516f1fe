"""The settings of ``didact train`` as text below the command's help."""

from __future__ import annotations

from didact.catalogue.settings import request_settings
from didact.report.text import Screen
from didact.report.widths import hanging


def settings_help() -> str:
    """Every setting with its type, default and meaning, in the width that the help has."""
    lines = ["Settings (each as --setting value):", ""]
    for path, kind, default, text in request_settings():
        lines.append(f"  --{path}  [{kind}{', ' if kind else ''}default {default}]" if default else f"  --{path}  {kind}")
        lines += [f"        {text}"] if text else []
    return hanging("\n".join(lines), Screen().width)
