"""cpbench doctor: what is installed, which device, which keys, which data can be reached; and two backends compared.

examine(place)              every `Finding` about this machine, without a call over the network
asked(addresses)            what endpoints say, when they are asked (doctor.reach)
parity(plan)                the same items through two models (doctor.parity, which takes numpy and the engine)
"""

from __future__ import annotations

from cpbench.doctor.findings import Finding, Place, State, examine

__all__ = ["Finding", "Place", "State", "examine"]
