"""The formats of article files."""
