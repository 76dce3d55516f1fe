"""``python -m didact``."""

import os
import sys

# Python puts the working directory first, where a file called like a library (rich.py) would be
# imported instead of it
if not sys.flags.safe_path and sys.path[:1] in ([os.getcwd()], [""]):
    sys.path.append(sys.path.pop(0))

from didact.cli.main import entry

entry()
