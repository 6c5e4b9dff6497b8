"""Fits the learned parts of pysolve: ``python -m pysolve.training <what> --help``.

The only place that may import torch (``pip install pysolve[train]``); nothing in pysolve imports this package.
"""
