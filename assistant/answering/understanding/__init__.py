"""What a question asks, as far as its own words and the questions before it tell."""
