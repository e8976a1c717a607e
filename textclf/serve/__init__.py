"""Serve models over HTTP: an API in JSON, tables that come back labelled, and a page to try models on.

It checks who asks and how much, predicts requests together, and loads changed model files. It does not train models,
does not speak TLS, and keeps no text.
"""

from textclf.serve.listening import check_serve_available, serve
from textclf.serve.service_settings import ServeLimits, ServeSettings, check_origin, name_models, read_token

__all__ = [
    "ServeLimits",
    "ServeSettings",
    "check_origin",
    "check_serve_available",
    "name_models",
    "read_token",
    "serve",
]
