"""Alarms as JSON, over HTTP and MQTT: the signature of a webhook, the normal form of an event, makers' forms. Pure."""
