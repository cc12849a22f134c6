"""`python -m api.batch`: compile everything once, so that no process has to wait for it (`setup/venv`)."""

import sys

from api.batch.loading import load

print("setup: compiling the loops of batches and of the lookup table, which takes half a minute", file=sys.stderr)
load()
