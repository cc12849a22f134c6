"""The process in which messages are made and tried; tests/fuzz.py starts it and judges what it found.

`python -m tests.fuzz_child SUSPECTS CORPUS SECONDS SEED`: starts from the messages in the folder CORPUS, and lays what raises,
takes long or takes much into the folder SUSPECTS. Where atheris is installed (requirements/dev.txt has it for Linux on x86-64)
it looks at which branches of our readers and rules a message reaches and changes those messages again that reached a new one;
elsewhere messages are changed blindly. Watched code is several times slower, so what is slow here is only suspected.
"""

import contextlib
import hashlib
import os
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random

from tests.mutations import changed

try:
    import atheris
except ImportError:
    atheris = None

with atheris.instrument_imports(include=["ingest", "classifiers"]) if atheris else contextlib.nullcontext():
    from tests.bounded import CPU_SECONDS_AIM, decided, memory_used_bytes, require_promises

MESSAGE_BYTES_MAX = 2**20
WATCHED_IS_SLOWER = 4
MEMORY_STEP_BYTES = 16 * 2**20
# A reader that does not end can not be left from Python: libFuzzer ends the process, and keeps what it read.
HANGS_SECONDS = 20
KEPT_OF_A_PLACE_MAX = 3


class Trial:
    """Tries messages until the time is up, then ends the process."""

    def __init__(self, suspects: Path, seconds: float) -> None:
        self._suspects = suspects
        self._ends_at_seconds = time.monotonic() + seconds
        self._places: Counter[str] = Counter()
        self._tried = 0

    def __call__(self, content: bytes) -> None:
        """Try one message."""
        if time.monotonic() > self._ends_at_seconds:
            print(f"{self._tried} messages tried", flush=True)
            os._exit(0)
        self._tried += 1
        memory_bytes, cpu_seconds = memory_used_bytes(), time.process_time()
        try:
            answer = decided(content)
            memory_bytes, cpu_seconds = memory_used_bytes() - memory_bytes, time.process_time() - cpu_seconds
            require_promises(*answer)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            self._suspect(content, f"{type(error).__name__} {frames[-1].filename}:{frames[-1].lineno}")
            return
        if cpu_seconds > WATCHED_IS_SLOWER * CPU_SECONDS_AIM:
            self._suspect(content, f"slow {len(content).bit_length()}")
        if memory_bytes > MEMORY_STEP_BYTES:
            self._suspect(content, f"large {len(content).bit_length()}")

    def _suspect(self, content: bytes, place: str) -> None:
        """Keep a few messages for each place."""
        self._places[place] += 1
        if self._places[place] <= KEPT_OF_A_PLACE_MAX:
            (self._suspects / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)


def _watched(trial: Trial, suspects: Path, corpus: Path, seed: int) -> None:
    known = [path.read_bytes() for path in sorted(corpus.iterdir())]

    def mutate(content: bytes, bytes_max: int, number: int) -> bytes:
        random = Random(number)
        new = atheris.Mutate(content, bytes_max) if random.random() < 0.3 else changed(random, content, known)
        return new[:bytes_max]

    options = [f"-seed={seed}", f"-max_len={MESSAGE_BYTES_MAX}", f"-timeout={HANGS_SECONDS}", "-rss_limit_mb=0", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={suspects}/", str(corpus)], trial, custom_mutator=mutate)
    atheris.Fuzz()


def _blind(trial: Trial, corpus: Path, seed: int) -> None:
    known = [path.read_bytes() for path in sorted(corpus.iterdir())]
    random = Random(seed)
    while True:
        trial(changed(random, random.choice(known), known)[:MESSAGE_BYTES_MAX])


def main(suspects: Path, corpus: Path, seconds: float, seed: int) -> None:
    """Try messages for so long."""
    trial = Trial(suspects, seconds)
    if atheris:
        _watched(trial, suspects, corpus, seed)
    else:
        _blind(trial, corpus, seed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
