"""`python -m nullsender.cli` is `nullsender`: how the supervisor starts roles, whatever the PATH."""

import sys

from nullsender.cli import main

if __name__ == "__main__":
    sys.exit(main())
