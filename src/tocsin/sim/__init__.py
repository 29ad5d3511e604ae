"""The sender sides of our codecs: panels, cameras, units."""
