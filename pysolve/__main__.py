"""`python -m pysolve`, the same as the command `pysolve`."""

import sys

from pysolve._cli import main

if __name__ == "__main__":
    sys.exit(main())
