"""What can go wrong for a user, told by whose it is: configuration, input file, sensor, broker, or the output."""

from __future__ import annotations


class HrbridgeError(Exception):
    """Base of all; ``str()`` is one line that names the place and the remedy."""

    exit_code = 1


class UsageError(HrbridgeError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class ConfigError(HrbridgeError):
    """A configuration or plan file is wrong: file, table, key and what is allowed."""

    exit_code = 2


class InputFileError(HrbridgeError):
    """A recording or trace cannot be read; says where in the file."""

    exit_code = 2


class SensorError(HrbridgeError):
    """A strap, watch or treadmill cannot be used."""


class BrokerError(HrbridgeError):
    """The MQTT broker cannot be reached or refuses us."""


class ClusterError(HrbridgeError):
    """Workers, of this machine or of a Dask cluster, cannot be reached or cannot do the work."""


class OutputError(HrbridgeError):
    """Something cannot be written: disk full, read-only, no such directory."""


class MalformedPacket(HrbridgeError):
    """A Bluetooth packet lacks its mandatory fields."""


class JournalError(HrbridgeError):
    """The journal cannot be read or written, or has nothing of that kind; ``exit_code`` 2 where the file is wrong."""


class DamagedJournal(JournalError):
    """The file is no journal any more: it is to be set aside, never written over."""

    exit_code = 2
