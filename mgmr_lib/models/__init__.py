"""The networks. Every one takes a Batch and returns an Output."""
