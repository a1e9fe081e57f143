"""The pages without a script: articles, and about."""
