"""The papers' sentences as statistics with intervals and verdicts."""
