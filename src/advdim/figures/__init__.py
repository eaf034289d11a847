"""A table in, a figure out: one module per family of figures."""
