"""The watchdog: a device that resets this machine when its daemon no longer keeps time."""
