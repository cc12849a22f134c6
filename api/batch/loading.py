"""Loads what is compiled, beside whatever the process does meanwhile: that takes seconds, and a lookup needs none of it.

Nothing here imports the compiler. Who wants `api.batch`'s other modules asks `is_loaded` first, or waits for `load`.
"""

import gc
import logging
import threading

_log = logging.getLogger("batch")
_loading = threading.Lock()
_loaded = threading.Event()


def load() -> None:
    """Come back when all is loaded."""
    with _loading:
        if not _loaded.is_set():
            from api.batch.warming import warm

            warm()
            _loaded.set()


def load_beside() -> None:
    """Begin to load in a thread, and come back at once.

    What the process has then stays as long as it does, and is not looked through for garbage any more: that took 40 ms each
    time, in which nobody was answered.
    """
    if not _loaded.is_set() and not _loading.locked():
        threading.Thread(target=_load_or_say_why_not, name="compiled", daemon=True).start()


def is_loaded() -> bool:
    """Whether batches can be asked without waiting."""
    return _loaded.is_set()


def _load_or_say_why_not() -> None:
    try:
        load()
        gc.freeze()
    except Exception:
        _log.exception("compiled code could not be loaded: batches are answered one by one")
