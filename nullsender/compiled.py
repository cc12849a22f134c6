"""Python that is compiled to machine code: for loops that touch every address of a batch or every slot of a table.

numba compiles a function when it is first called and keeps the machine code beside the source, so that only the first start
after an installation pays for it (`setup/venv` does that). Whoever may not write there, a service or a container, uses what the
installation kept, and keeps what that lacks (for another processor, say) in the cache of its user. Where nothing can be kept,
each process compiles for itself what is missing.

A constant is frozen into the machine code, wherever it is declared, and so is a function that is inlined. numba looks only at
the source file of the function itself for whether what it kept is still true; here it looks at all that was frozen.

What is compiled keeps to numbers and arrays. Unsigned words stay unsigned only among themselves: every constant in such an
expression is a `np.uint64`, because numba makes a float of a signed and an unsigned one.
"""

import contextlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numba.core import config
from numba.core.caching import CacheImpl, InTreeCacheLocator
from numba.core.codegen import get_host_cpu_features

# Left alone, the compiler does 32 bytes at a time on processors that can do 64, because the first of them ran slower then.
_settings: Any = config
_features: str = get_host_cpu_features()  # type: ignore[no-untyped-call]
if _settings.CPU_FEATURES is None and "+avx512vl" in _features:
    _settings.CPU_FEATURES = f"{_features},-prefer-256-bit"

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """`function`, compiled when it is first called. It runs without the interpreter's lock."""
    machine: Any = njit(cache=True, nogil=True, error_model="numpy")(function)
    cache = machine._cache  # numba has no other way to say what else the code depends on, and where else it may lie
    own = cache._cache_file
    own._source_stamp = (own._source_stamp, sha256("\n".join(_frozen_in(function)).encode()).hexdigest())
    beside_source = str(Path(function.__code__.co_filename).parent / "__pycache__")
    cache._cache_file = _Kept(own, type(own)(beside_source, cache._impl.filename_base, own._source_stamp))
    return cast(Function, machine)


def inlined(function: Function) -> Function:
    """`function`, which becomes a part of each compiled one that calls it: for what a loop must not call."""
    return cast(Function, njit(inline="always", error_model="numpy")(function))


class _Kept:
    """What was kept of one function where this process may write, and behind it what the installation kept."""

    def __init__(self, own: Any, installed: Any) -> None:
        self._own, self._installed = own, installed

    def load(self, key: object) -> Any:
        """The machine code for these types and this processor; None where neither has it."""
        for kept in (self._own, self._installed):
            with contextlib.suppress(OSError):  # it may be there, and not for us to read
                data = kept.load(key)
                if data is not None:
                    return data
        return None

    def save(self, key: object, data: object) -> None:
        """Keep it where this process may write, if there is such a place."""
        with contextlib.suppress(OSError):
            self._own.save(key, data)


class _BesideSource(InTreeCacheLocator):
    """The last place to look at: beside the source, though nothing can be written there."""

    def ensure_cache_path(self) -> None:
        """Whatever is there will do."""


CacheImpl._locator_classes.append(_BesideSource)


def _frozen_in(function: Callable[..., Any]) -> Iterator[str]:
    """The code of `function` and of all that it calls of ours, and every constant in it."""
    code = function.__code__
    yield f"{code.co_code.hex()} {code.co_consts}"
    for name in code.co_names:
        value: Any = function.__globals__.get(name)
        if isinstance(value, int | float | bytes | np.generic):
            yield f"{name} {value!r}"
        elif isinstance(value, np.ndarray):
            yield f"{name} {value.tolist()}"
        elif hasattr(value, "py_func"):
            yield from _frozen_in(value.py_func)
