"""Models for elsewhere: small ones, in 8 bits and with fewer words and n-grams; and ONNX with the words as JSON."""

from textclf.export.measured_rows import Change, LabelledRows
from textclf.export.onnx import check_onnx_available, onnx_model, write_onnx
from textclf.export.shrink import Shrunk, fold_layer, shrink

__all__ = [
    "Change",
    "LabelledRows",
    "Shrunk",
    "check_onnx_available",
    "fold_layer",
    "onnx_model",
    "shrink",
    "write_onnx",
]
