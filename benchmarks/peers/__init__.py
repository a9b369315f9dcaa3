"""The peers: programs of other people, and the least that C takes."""
