"""A run of the workflow, and the processes that it starts."""
