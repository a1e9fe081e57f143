"""Articles from the web -> files in the folder of articles."""
