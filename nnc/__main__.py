"""python -m nnc: the command line."""

import sys

from nnc.cli import main

if __name__ == "__main__":
    sys.exit(main())
