"""Contact ID (SIA DC-05) and the ADM-CID payload of DC-09: code table and parsing."""
