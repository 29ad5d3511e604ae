"""RTP reception of surveillance video: packets, order, TCP framing, program streams, access units, audio, time."""
