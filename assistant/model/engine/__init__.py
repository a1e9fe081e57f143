"""The process that runs the embedded language model."""
