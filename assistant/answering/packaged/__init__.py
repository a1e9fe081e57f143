"""The writer for the packaged model, and for none: drafts, what supports them, and what may be shown."""
