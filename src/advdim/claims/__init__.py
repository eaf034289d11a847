"""The papers' sentences as statistics with intervals and verdicts."""

# Known without loading any claim, since the workflow asks for them whenever it is read.
READ_TABLES = ("cells", "epochs", "attack_summaries", "bounds", "initialisation")
