"""The whole pipeline in one thread, by a seed: thousands of histories in which everything that can go wrong does.

What decides is real: the intake, the rules, the consume loop, both stages and the store (on a SQLite in memory). What it
stands on is simulated: a log that passes the same suite as the real ones (`log.py`), a clock that jumps (`clock.py`), a disk
that fails (`store.py`). `fate.py` says when, by the seed alone, so a history that came out wrong comes out wrong again.

`history.py` is one history: mail comes in, processes take turns and die, and then all trouble ends and everything drains. What
must be true then stands in `checks.py`, by the client's own book of what it was promised (`ledger.py`).
"""
