"""Regularisers, the training loop and its checkpoints."""
