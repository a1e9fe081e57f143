"""A question -> the passages and sentences of the articles that may answer it."""
