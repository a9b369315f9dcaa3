"""The screen: two small programs in the kernel, in front of IPVS and behind it (docs/design/ipvs.md).

On the way in they give packets their firewall marks; on the way out they hold back what IPVS has not translated.
"""
