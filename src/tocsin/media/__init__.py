"""Live pictures: media workers, the link to them, and the streams of the channels."""
