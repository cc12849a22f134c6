"""`python -m api.batch`: compile everything once, so that no process has to wait for it (`setup/venv`)."""

import sys

from api.batch.loading import load

print("setup: compiling what looks up many addresses at once, once after each installation or upgrade", file=sys.stderr)
load()
