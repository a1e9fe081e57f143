"""By what people grade answers, and the file that keeps their grades."""
