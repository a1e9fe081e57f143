"""What is kept in files that cannot be rebuilt: readers' reports and questions, and what editors did."""
