"""Evaluation attacks: the project's own PGD, and adapters to established attack libraries."""
