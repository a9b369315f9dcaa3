"""The devices that Vedette can speak to, one module each.

A driver is imported when a document has such a device, because its library costs a third of a second to load.
"""

from typing import assert_never

from vedette.fencing.device import Device
from vedette.spec import resolved


def build(device: resolved.FencingDevice) -> Device:
    """Return the driver of a device. Nothing is contacted yet."""
    match device.driver:
        case resolved.Redfish():
            from vedette.fencing.drivers import redfish

            return redfish.RedfishDevice(device.driver)
        case resolved.Ipmi():
            from vedette.fencing.drivers import ipmi

            return ipmi.IpmiDevice(device.driver)
        case resolved.ApcPdu():
            from vedette.fencing.drivers import apc_pdu

            return apc_pdu.ApcPduDevice(device.driver)
        case resolved.ApcUps():
            from vedette.fencing.drivers import apc_ups

            return apc_ups.ApcUpsDevice(device.driver)
        case resolved.Drac():
            from vedette.fencing.drivers import drac

            return drac.DracDevice(device.driver)
        case resolved.Ssh():
            from vedette.fencing.drivers import ssh

            return ssh.SshDevice(device.driver)
        case resolved.Agent():
            from vedette.fencing.drivers import agent

            return agent.AgentDevice(device.driver)
        case resolved.Manual():
            from vedette.fencing.drivers import manual

            return manual.ManualDevice()
    assert_never(device.driver)
