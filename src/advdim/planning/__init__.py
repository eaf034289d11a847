"""What a sweep would take before it runs: time, memory, and networks that cannot be built."""
