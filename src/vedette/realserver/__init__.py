"""The real server's side of direct routing and tunnels: what a machine needs so that a director may send to it."""
