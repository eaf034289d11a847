"""How far a sweep has come, seen from outside while other processes run it."""
