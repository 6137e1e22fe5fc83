"""28 What the papers claim."""
