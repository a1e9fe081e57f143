"""The language model: its weights, the process that runs it, and how it is asked."""
