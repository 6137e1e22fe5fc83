"""Downloads that are checked against a pinned hash, and where they come from."""
