"""What goes wrong with data."""


class DataError(ValueError):
    """A dataset cannot be used; the message names the file and what is wrong with it."""
