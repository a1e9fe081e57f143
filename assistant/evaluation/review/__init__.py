"""The page on which people read answers and grade them."""
