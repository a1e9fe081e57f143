"""People read answers and grade them: the page, the file of grades, and what the grades say."""
