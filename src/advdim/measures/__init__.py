"""What is measured of a network, and whether its numbers can be trusted."""
