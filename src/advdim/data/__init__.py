"""Where images come from, how they are resized and stored, and how they reach a network."""
