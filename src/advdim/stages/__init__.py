"""One function per stage of the sweep: files in, files out."""
