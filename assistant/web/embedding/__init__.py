"""The chat on a publisher's own page: the script that the page includes, and the chat in its frame."""
