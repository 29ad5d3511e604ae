"""CAP 1.2, the Common Alerting Protocol: public warnings in and out, and EDXL-DE envelopes around them. Pure."""
