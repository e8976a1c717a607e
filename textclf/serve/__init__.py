"""A classifier as a web service: models by name, an API, and a page to try them on."""

from textclf.serve.run import check_available, serve
from textclf.serve.settings import Limits, ServeSettings, named_paths, read_token

__all__ = ["Limits", "ServeSettings", "check_available", "named_paths", "read_token", "serve"]
