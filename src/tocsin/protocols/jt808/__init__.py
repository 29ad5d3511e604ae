"""JT/T 808 (2011, 2013, 2019): vehicle and handheld terminals, both directions, no I/O."""
