"""The papers' networks, the user's, and how they are initialised and stored."""
