"""The papers' networks, one's own, and how they are initialised and stored."""
