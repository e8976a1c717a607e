"""Hides gensim from every Python that starts with this folder on PYTHONPATH, as where there is none (Python 3.14)."""

from importlib.machinery import PathFinder

find_spec = PathFinder.find_spec


@classmethod
def find_others(_finder, name, path=None, target=None):
    return None if name.partition(".")[0] == "gensim" else find_spec(name, path, target)


PathFinder.find_spec = find_others
