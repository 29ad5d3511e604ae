"""SIA format (DC-03) event blocks as they travel in DC-09: code table and parsing."""
