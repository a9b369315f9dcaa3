"""A lab in plain values, for ``-o json`` and for people."""

from typing import Any

from vedette.kit.net import endpoint
from vedette.lab.guest import Power
from vedette.lab.lab import Lab
from vedette.lab.topology import Leg

Plain = dict[str, Any]


def describe(lab: Lab) -> Plain:
    """All of a lab as it is now; asks the supervisor, and each machine that runs for its daemon."""
    status = lab.status()
    cut: dict[str, str] = status["cut"]
    return {
        "name": lab.name,
        "directory": str(lab.directory),
        "cluster": lab.spec.name,
        "machines": [_machine(lab, name, status["machines"][name]["power"], cut) for name in lab.machines],
        "networks": [
            {"name": network.name, "bridge": network.bridge, "subnets": list(network.subnets)}
            for network in lab.networks.values()
        ],
        "client": {"namespace": lab.client.path, "interfaces": [_leg(leg, cut) for leg in lab.topology.client]},
        "switch": lab.switch.path,
        "servers": [
            {
                "address": str(plan.address),
                "network": plan.leg.network,
                "gateway": None if plan.gateway is None else str(plan.gateway),
                "virtual": [str(address) for address in plan.virtual],
                "ports": [f"{listener.port}/{listener.protocol}" for listener in plan.listeners],
                "state": _mood(status["servers"].get(str(plan.address))),
            }
            for plan in lab.topology.servers
        ],
        "devices": [
            {
                "name": plan.name,
                "simulator": plan.simulator.value,
                "address": endpoint(plan.address, plan.port),
                "network": plan.leg.network,
                "plugs": dict(plan.plugs),
                "fault": status["devices"].get(plan.name, "none"),
            }
            for plan in lab.topology.devices
        ],
        "notes": list(lab.topology.notes),
    }


def _machine(lab: Lab, name: str, power: str, cut: dict[str, str]) -> Plain:
    machine = lab.machines[name]
    daemon = lab.daemon_pid(name) if power == Power.ON.value else None
    return {
        "name": name,
        "role": machine.plan.role.value,
        "power": power,
        "daemon": daemon,
        "log": str(lab.daemon_log(name)),
        "interfaces": [_leg(leg, cut) for leg in machine.plan.legs],
    }


def _leg(leg: Leg, cut: dict[str, str]) -> Plain:
    return {
        "name": leg.interface,
        "network": leg.network,
        "mac": leg.mac,
        "addresses": [str(address) for address in leg.addresses],
        "cut": cut.get(leg.port),
    }


def _mood(order: Plain | None) -> str:
    if order is None:
        return "answering"
    if order["vanished"]:
        return "vanished"
    return f"answering {order['status']}" if order["status"] else str(order["mood"])
