"""Serve models over HTTP: an API in JSON, tables that come back labelled, and pages to try models and to label rows.

It checks who asks and how much, predicts requests together, and loads changed model files; labels go to the disk before
they are answered. It does not speak TLS, and keeps no text but that of rows labelled.
"""

from textclf.serve.listening import check_serve_available, serve
from textclf.serve.service_settings import (
    ServeLimits,
    ServeSettings,
    check_host,
    check_origin,
    name_models,
    read_token,
)

__all__ = [
    "ServeLimits",
    "ServeSettings",
    "check_host",
    "check_origin",
    "check_serve_available",
    "name_models",
    "read_token",
    "serve",
]
