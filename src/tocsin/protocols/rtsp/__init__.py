"""RTSP 1.0: messages, interleaved data, descriptions and one client's conversation. Pure."""
