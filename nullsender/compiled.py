"""Python that is compiled to machine code: for loops that touch every address of a batch or every slot of a table.

numba compiles a function when it is first called and keeps the machine code beside the source, so that only the first start
after an installation pays for it (`setup/venv` does that). Where nothing can be kept, each process compiles for itself.

What is compiled keeps to numbers and arrays. Unsigned words stay unsigned only among themselves: every constant in such an
expression is a `np.uint64`, because numba makes a float of a signed and an unsigned one.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """`function`, compiled when it is first called. It runs without the interpreter's lock."""
    try:
        return cast(Function, njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # no folder that could be written: numba says so when it decorates
        return cast(Function, njit(nogil=True, error_model="numpy")(function))


def inlined(function: Function) -> Function:
    """`function`, which becomes a part of each compiled one that calls it: for what a loop must not call."""
    return cast(Function, njit(inline="always", error_model="numpy")(function))
