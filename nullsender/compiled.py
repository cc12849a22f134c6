"""Python that is compiled to machine code: for loops that touch every address of a batch or every slot of a table.

numba compiles a function when it is first called and keeps the machine code beside the source, so that only the first start
after an installation pays for it (`setup/venv` does that). Where nothing can be kept, each process compiles for itself.

A constant is frozen into the machine code, wherever it is declared, and so is a function that is inlined. numba looks only at
the source file of the function itself for whether what it kept is still true; here it looks at all that was frozen.

What is compiled keeps to numbers and arrays. Unsigned words stay unsigned only among themselves: every constant in such an
expression is a `np.uint64`, because numba makes a float of a signed and an unsigned one.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """`function`, compiled when it is first called. It runs without the interpreter's lock."""
    try:
        machine: Any = njit(cache=True, nogil=True, error_model="numpy")(function)
        kept = machine._cache._cache_file  # numba has no other way to say what else the code depends on
        kept._source_stamp = (kept._source_stamp, sha256("\n".join(_frozen_in(function)).encode()).hexdigest())
        return cast(Function, machine)
    except RuntimeError:  # no folder that could be written: numba says so when it decorates
        return cast(Function, njit(nogil=True, error_model="numpy")(function))


def inlined(function: Function) -> Function:
    """`function`, which becomes a part of each compiled one that calls it: for what a loop must not call."""
    return cast(Function, njit(inline="always", error_model="numpy")(function))


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
