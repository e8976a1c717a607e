"""Keep bytes safe: files, packed strings, quantized rows, large arrays, and work done in parallel.

Output files are written whole or not at all, and arrays that do not fit the memory budget lie in temporary files.
This package knows nothing about texts, models or tables.
"""
