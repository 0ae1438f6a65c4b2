"""Logs on their way out of the car: consistent copies, what has been delivered, and the fetching of them."""
