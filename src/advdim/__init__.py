"""How a classifier's adversarial vulnerability depends on the dimension of its input."""

__version__ = "0.1.0"
