"""Article files -> articles, with their sentences and passages."""
