"""Work on several threads comes back in order."""

import platform
import subprocess
import sys

import pytest

from textclf.storage.parallel import in_order


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_items_and_an_error_comes_where_it_belongs(threads):
    assert list(in_order(lambda n: n * n, range(20), threads)) == [n * n for n in range(20)]
    results = in_order(lambda n: 1 // (n - 2), range(5), threads)
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError, match="division"):
        next(results)


HEAPS = """
import ctypes, sys
from textclf.storage.parallel import in_order, share_one_heap
share_one_heap()
list(in_order(lambda n: bytes(100_000), range(100), 4))
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_threads_take_their_memory_from_one_heap_where_that_was_asked_for(tmp_path):
    subprocess.run([sys.executable, "-c", HEAPS, str(tmp_path / "heaps.xml")], check=True)
    assert (tmp_path / "heaps.xml").read_text().count("<heap nr=") == 1
