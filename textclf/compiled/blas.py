"""NumPy's own matrix product, called from compiled code: the same function, so the same bits; and how threads meet."""

import ctypes
import os
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from textclf.compiled.jit import Number, compiled

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


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


class Operand(NamedTuple):
    """A matrix of float32 in memory: where it begins, how far apart its rows are, and whether it is transposed."""

    address: Any
    width: Any
    transposed: Any


@compiled
def operand(array: Any, start: Number, width: Number, transposed: bool) -> Operand:
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
def meet(signals: Any, sched_yield: Number, me: Number) -> None:
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


def meeting_place() -> Any:
    """Return the `signals` of two threads that have not met."""
    import numpy as np

    return np.zeros(2 * _LINE, np.int64)


_LONG, _INT, _FLOAT = ir.IntType(64), ir.IntType(32), ir.FloatType()


def _call(builder: Any, address: Any, arguments: list[Any]) -> Any:
    kind = ir.FunctionType(_INT, [argument.type for argument in arguments])
    return builder.call(builder.inttoptr(address, kind.as_pointer()), arguments)


@intrinsic  # type: ignore[untyped-decorator]
def _sgemm(typing: Any, address: Any, numbers: Any, places: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        transposed, *sizes = (builder.extract_value(arguments[1], i) for i in range(5))
        left, left_width, right, right_width, out, out_width = (builder.extract_value(arguments[2], i) for i in range(6))
        pointer = ir.IntType(8).as_pointer()
        left, right, out = (builder.inttoptr(place, pointer) for place in (left, right, out))
        flags = [builder.trunc(flag, _INT) for flag in (transposed, sizes[0])]
        _call(builder, arguments[0], [
            ir.Constant(_INT, 101), *flags, *sizes[1:], ir.Constant(_FLOAT, 1.0), left, left_width,
            right, right_width, ir.Constant(_FLOAT, 0.0), out, out_width,
        ])  # fmt: skip
        return context.get_dummy_value()

    kinds = (types.int64, types.UniTuple(types.int64, 5), types.UniTuple(types.int64, 6))
    return types.void(*kinds), code


@intrinsic  # type: ignore[untyped-decorator]
def _yield(typing: Any, address: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _call(builder, arguments[0], [])
        return context.get_dummy_value()

    return types.void(types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _load(typing: Any, place: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(arguments[0], _LONG.as_pointer()), "acquire", 8)

    return types.int64(types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def _store(typing: Any, place: Any, value: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], builder.inttoptr(arguments[0], _LONG.as_pointer()), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), code
