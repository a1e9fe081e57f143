"""What was found and what the model wrote -> an answer that the article supports."""
