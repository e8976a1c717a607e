"""Models for elsewhere: small ones, in 8 bits and with fewer words and n-grams; as JavaScript; and as ONNX."""

from textclf.export.javascript import html_page, javascript, types_path, write_javascript
from textclf.export.onnx import check_onnx_available, onnx_model, write_onnx
from textclf.export.shrink import Change, LabelledRows, Shrunk, fold_layer, shrink

__all__ = [
    "Change",
    "LabelledRows",
    "Shrunk",
    "check_onnx_available",
    "fold_layer",
    "html_page",
    "javascript",
    "onnx_model",
    "shrink",
    "types_path",
    "write_javascript",
    "write_onnx",
]
