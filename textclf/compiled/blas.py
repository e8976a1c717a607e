"""NumPy's own matrix product, called from compiled code: the same function, so the same bits; and how threads meet."""

import ctypes
import os
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from textclf.arrays import Array, Integers
from textclf.compiled.jit import Number, compiled

Code: TypeAlias = Any
"""What Numba and LLVM hand over while code is made."""

_NAMES = ("scipy_cblas_sgemm64_", "cblas_sgemm64_")
"""As it is called in NumPy's wheels, and in other builds whose whole numbers have 64 bits."""
_LINE = 64  # bytes of the cache that move together


class Functions(NamedTuple):
    """Where functions of the C library and of NumPy's BLAS are in memory, which differs from process to process."""

    sgemm: int
    sched_yield: int


def find_functions() -> Functions | None:
    """Return them, or None where NumPy's products are done by a library that is not known here."""
    from threadpoolctl import threadpool_info

    if not hasattr(os, "sched_yield"):
        return None
    for library in threadpool_info():
        if library["user_api"] == "blas" and "numpy" in library["filepath"]:
            functions = ctypes.CDLL(library["filepath"])
            for name in _NAMES:
                if hasattr(functions, name):
                    return Functions(_address(getattr(functions, name)), _address(ctypes.CDLL(None).sched_yield))
    return None


def _address(function: Code) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


class Operand(NamedTuple):
    """A matrix of float32 in memory: where it begins, how far apart its rows are, and whether it is transposed."""

    address: Any
    width: Any
    transposed: Any


@compiled
def operand(array: Array, start: Number, width: Number, transposed: bool) -> Operand:
    """Return the matrix that begins at `start` of a flat array."""
    return Operand(array.ctypes.data + 4 * start, width, transposed)


@compiled
def multiply(sgemm: Number, shape: tuple[Number, Number, Number], left: Operand, right: Operand, out: Operand) -> None:
    """Write a product (m, k) × (k, n) to `out`; `shape` is (m, n, k). As `np.matmul` calls it."""
    m, n, k = shape
    if m > 0 and n > 0:
        _sgemm(
            sgemm, (112 if left.transposed else 111, 112 if right.transposed else 111, m, n, k),
            (left.address, left.width, right.address, right.width, out.address, out.width),
        )  # fmt: skip


@compiled
def meet(signals: Integers, sched_yield: Number, me: Number) -> None:
    """Go on when the other of two threads, numbered 0 and 1, has come here as often; what it wrote is then seen.

    `signals` has a count for each in a line of the cache of its own. Waiting takes microseconds, so it does not sleep.
    """
    mine, others = signals[_LINE * me :].ctypes.data, signals[_LINE * (1 - me) :].ctypes.data
    count = _load(mine) + 1
    _store(mine, count)
    tries = 0
    while _load(others) < count:
        tries += 1
        if tries > 1_000_000:
            _yield(sched_yield)


def meeting_place() -> Integers:
    """Return the `signals` of two threads that have not met."""
    return np.zeros(2 * _LINE, np.int64)


# --- instructions that Numba has no words for -----------------------------------------------------------------------

_LONG, _INT, _FLOAT = ir.IntType(64), ir.IntType(32), ir.FloatType()


def _built(function: Callable[..., Code]) -> Code:
    """Let compiled code call what the function says how to build."""
    return intrinsic(function)


def _call(builder: Code, address: Code, arguments: list[Code]) -> Code:
    kind = ir.FunctionType(_INT, [argument.type for argument in arguments])
    return builder.call(builder.inttoptr(address, kind.as_pointer()), arguments)


@_built
def _sgemm(typing: Code, address: Code, numbers: Code, places: Code) -> Code:
    def code(context: Code, builder: Code, signature: Code, arguments: Code) -> Code:
        numbers = [builder.extract_value(arguments[1], i) for i in range(5)]
        places = [builder.extract_value(arguments[2], i) for i in range(6)]
        flags = [builder.trunc(flag, _INT) for flag in numbers[:2]]
        left, right, out = (builder.inttoptr(place, ir.IntType(8).as_pointer()) for place in places[::2])
        _call(builder, arguments[0], [
            ir.Constant(_INT, 101), *flags, *numbers[2:], ir.Constant(_FLOAT, 1.0), left, places[1], right, places[3],
            ir.Constant(_FLOAT, 0.0), out, places[5],
        ])  # fmt: skip
        return context.get_dummy_value()

    kinds = (types.int64, types.UniTuple(types.int64, 5), types.UniTuple(types.int64, 6))  # type: ignore[no-untyped-call]
    return types.void(*kinds), code


@_built
def _yield(typing: Code, address: Code) -> Code:
    def code(context: Code, builder: Code, signature: Code, arguments: Code) -> Code:
        _call(builder, arguments[0], [])
        return context.get_dummy_value()

    return types.void(types.int64), code


@_built
def _load(typing: Code, place: Code) -> Code:
    def code(context: Code, builder: Code, signature: Code, arguments: Code) -> Code:
        return builder.load_atomic(builder.inttoptr(arguments[0], _LONG.as_pointer()), "acquire", 8)

    return types.int64(types.int64), code


@_built
def _store(typing: Code, place: Code, value: Code) -> Code:
    def code(context: Code, builder: Code, signature: Code, arguments: Code) -> Code:
        builder.store_atomic(arguments[1], builder.inttoptr(arguments[0], _LONG.as_pointer()), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), code
