"""Times of one part beside a peer, on the same work."""
