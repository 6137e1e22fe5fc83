"""The small tested library behind the course."""
