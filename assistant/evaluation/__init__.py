"""Question files, what is measured on them, and what is fitted to them."""
