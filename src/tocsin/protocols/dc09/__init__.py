"""SIA DC-09, internet protocol event reporting: framing, encryption, messages and both session roles."""
