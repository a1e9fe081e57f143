"""Speed, load and size."""
