"""For authors: notebooks are built from their sources, linted and tested here; learners never import it."""
