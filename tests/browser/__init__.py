"""The console in a real browser, against a real server with the town of Hewan behind it."""
