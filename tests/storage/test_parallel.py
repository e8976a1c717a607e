"""Work on several threads comes back in order."""

import pytest

from textclf.storage.parallel import in_order


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_items_and_an_error_comes_where_it_belongs(threads):
    assert list(in_order(lambda n: n * n, range(20), threads)) == [n * n for n in range(20)]
    results = in_order(lambda n: 1 // (n - 2), range(5), threads)
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError, match="division"):
        next(results)
