"""The kernel's load balancer: model, plan, netlink codec."""
