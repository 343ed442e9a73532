"""The Bluetooth adapter: one scan for all who look for a device, one call to a device at a time.

No adapter, one that is switched off or busy, no bluetoothd, no D-Bus: all are
waited out, told once. A second scan in one process is refused by BlueZ, a
second call may break off the first; so both pass through here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

from bleak import BleakAdapter, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from msgspec import Struct

from hrbridge.ports import Clock
from hrbridge.sensors.bluetoothd import Bluetoothd
from hrbridge.sensors.calls import Trouble, bounded, called, jittered, properties, put, tell, wait
from hrbridge.sensors.gatt import FITNESS_MACHINE_SERVICE, HEART_RATE_SERVICE, RUNNING_SPEED_SERVICE

log = logging.getLogger(__name__)

# Between the radio and who looks for a device. When full the oldest is dropped: devices advertise again.
HEARD_KEPT = 256
# BlueZ reports any change of a device during a scan; without a signal strength it was not an advertisement.
NOT_HEARD_DBM = -127
# The adapter is reset by the runner's own command only when it has not worked for so long, and then not all the time.
RECOVER_AFTER_S, RECOVER_EVERY_S, RECOVERY_TAKES_S = 60.0, 300.0, 30.0
# A hung firmware refuses until it answers again, in about two seconds; other programs want the adapter too.
POWER_CYCLE_EVERY_S = 5.0


class Timings(Struct, frozen=True, kw_only=True):
    """How long each thing may take. Measured values are of BlueZ 5.66 on a virtual radio."""

    lost_after_s: float = 5.0  # straps send once per second; five missing are no radio noise
    reconnect_after_s: float = 8.0  # a link silent for that long does not come back by itself
    scan_s: float = 15.0  # one scan; renewed, because a scan dies silently when the adapter is switched off and on
    mute_s: float = 4.0  # one that fell silent and was let go advertises again within a second or two
    choose_s: float = 5.0  # for rivals to be heard; straps advertise at least once per second
    scan_call_s: float = 5.0  # start or stop a scan; answered in ms
    connect_s: float = 20.0  # 0.4 s, 5.4 s with a strap that takes 0.5 s per answer
    connect_other_s: float = 8.0  # a second sensor or treadmill: the first one cannot be looked for meanwhile
    subscribe_s: float = 10.0  # 3.0 s with that strap
    battery_s: float = 3.0  # a read that BlueZ answers "in progress" is repeated without end by Bleak
    battery_every_s: float = 600.0
    disconnect_s: float = 3.0  # a live link takes 1.8 to 2.7 s, one whose bluetoothd was replaced never answers
    leave_s: float = 4.0  # for everything, when we are asked to go
    retry_first_s: float = 0.5
    radio_retry_max_s: float = 5.0  # no adapter, no bluetoothd: asking is cheap, but may start bluetoothd each time
    strap_retry_max_s: float = 30.0  # a strap that refuses again and again
    bond_retry_s: float = 60.0  # a device that wants to be bonded wants a person first
    left_out_s: float = 60.0  # a second sensor or treadmill that is of no use may be another's, or not broadcast yet
    settled_s: float = 30.0  # of heart rate, and earlier failures are forgotten; Polar H7 was seen to drop at 30 s
    give_back_s: float = 10.0  # of heart rate from the first sensor, before the second one is left again
    begin_s: float = 0.5  # the first scan, answered in ms; whoever opens the sensor waits for it, but not for long
    first_choice_s: float = 30.0  # at the start, for the first sensor to be found before the second one is heard


class Heard(NamedTuple):
    """One advertisement, or (``rssi_dbm`` None) a device that is connected already and so does not advertise."""

    device: BLEDevice
    name: str
    services: tuple[str, ...]
    rssi_dbm: int | None


class Radio:
    """The default adapter, in use as long as ``keep`` runs."""

    def __init__(self, clock: Clock, timings: Timings, recovery_command: tuple[str, ...] = ()) -> None:
        self._clock = clock
        self._timings = timings
        self._recovery_command = recovery_command
        self._ears: dict[asyncio.Queue[Heard], bool] = {}  # and whether it wants every advertisement
        self._wanted = asyncio.Event()  # somebody looks for something
        self._news = asyncio.Event()  # the present scan is no longer what is wanted
        self._air = asyncio.Lock()  # some controllers cannot scan and call at the same time
        self.bluetoothd = Bluetoothd()
        self._power_cycled_s = -POWER_CYCLE_EVERY_S
        self._told: set[str] = set()
        self.taken: dict[str, object] = {}  # addresses, and whose they are: no two hold the same device
        self.works = False  # the last scan could be started
        self.tried = asyncio.Event()  # so was the first, or it could not

    async def keep(self) -> None:
        """Scan whenever somebody listens, and watch bluetoothd come and go."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scan_when_wanted(), name="scan")
            group.create_task(self.bluetoothd.watch(), name="bluetoothd")

    @contextlib.contextmanager
    def listening(self, *, every: bool) -> Iterator[asyncio.Queue[Heard]]:
        """What is heard meanwhile. ``every`` advertisement, or only news: the first, and large changes of strength."""
        ear: asyncio.Queue[Heard] = asyncio.Queue(HEARD_KEPT)
        self._ears[ear] = every
        self._wanted.set()
        self._news.set()  # also for who joins: a new scan reports again what the present one has reported
        try:
            yield ear
        finally:
            del self._ears[ear]
            if not self._ears:
                self._wanted.clear()
                self._news.set()

    @contextlib.asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """To be held while connecting: nobody scans or connects meanwhile."""
        self._news.set()
        async with self._air:
            yield

    # scanning

    async def _scan_when_wanted(self) -> None:
        failures = 0
        recover_at_s = 0.0
        while True:
            await self._wanted.wait()
            self._news.clear()  # before the air is waited for: who calls meanwhile must not wait for a whole scan
            came = self.bluetoothd.came
            came.clear()  # before the attempt: it may come while that fails
            try:
                async with self._air:
                    await self._scan()
                failures = 0
                continue
            except Trouble as trouble:
                self.works = False
                self.tried.set()
                words = str(trouble) if self.bluetoothd.runs else "bluetoothd has ended: sudo systemctl start bluetooth"
                if failures:
                    tell(log, words, self._told)
                else:  # a restart of bluetoothd passes within a second: not worth a word
                    log.debug("%s", words)
            if not failures:
                recover_at_s = max(recover_at_s, self._clock.now_s() + RECOVER_AFTER_S)
            if self._recovery_command and self._clock.now_s() >= recover_at_s:
                recover_at_s = self._clock.now_s() + RECOVER_EVERY_S
                await self._recover()
            await wait(came, jittered(failures, self._timings.retry_first_s, self._timings.radio_retry_max_s))
            failures = 0 if came.is_set() else failures + 1  # it has its adapters a moment later

    async def _scan(self) -> None:
        """Listen until somebody wants something else, or for a while. Raises Trouble."""
        limit_s = self._timings.scan_call_s
        scanner = BleakScanner(self._advertised, bluez={"filters": {"DuplicateData": any(self._ears.values())}})
        for device in await bounded("look for sensors", self._connected(), limit_s):
            self._hear(Heard(device, device.name or "", tuple(properties(device).get("UUIDs", ())), None))
        await bounded("look for sensors", scanner.start(), limit_s)
        self.works = True
        self.tried.set()
        self._told.clear()
        try:
            await wait(self._news, self._timings.scan_s)
        finally:
            try:
                await bounded("stop the scan", scanner.stop(), limit_s)
            except Trouble as trouble:  # switched off meanwhile; what was heard was heard
                log.debug("%s", trouble)

    async def _connected(self) -> list[BLEDevice]:
        adapters = [await BleakAdapter.get()]
        services = [HEART_RATE_SERVICE, FITNESS_MACHINE_SERVICE, RUNNING_SPEED_SERVICE]
        if sys.platform != "linux":
            return await adapters[0].get_connected_devices(services)
        # Of two adapters Bleak scans with either, and with the other one the next time; a link may be left on both.
        held = await self.bluetoothd.connected()
        adapters = [await BleakAdapter.get(bluez={"adapter": name}) for name in {path.split("/")[3] for path in held}]
        devices = [device for each in adapters for device in await each.get_connected_devices(services)]
        return [device for device in devices if device.details["path"] in held]

    def _advertised(self, device: BLEDevice, data: AdvertisementData) -> None:
        if data.rssi != NOT_HEARD_DBM:
            self._hear(Heard(device, data.local_name or device.name or "", tuple(data.service_uuids), data.rssi))

    def _hear(self, heard: Heard) -> None:
        for ear in self._ears:
            put(ear, heard)

    async def _recover(self) -> None:
        """The runner's own command, for an adapter that nothing else brings back."""
        log.warning("Bluetooth does not come back: running %s", self._recovery_command[0])
        try:
            process = await asyncio.create_subprocess_exec(
                *self._recovery_command, stdin=asyncio.subprocess.DEVNULL, stdout=2
            )  # what it says belongs to the log: standard output may be JSON
            async with asyncio.timeout(RECOVERY_TAKES_S):
                code = await process.wait()
        except OSError as error:
            log.error("[sensor] recovery_command: %s: %s", self._recovery_command[0], error.strerror)
        except TimeoutError:
            process.kill()
            log.error("[sensor] recovery_command: not done within %g s", RECOVERY_TAKES_S)
        else:
            log.log(logging.ERROR if code else logging.INFO, "[sensor] recovery_command ended with %d", code)

    async def power_cycle(self, device: BLEDevice) -> bool:
        """Switch the adapter off and on, for a device that cannot be reached since it fell silent; True when done.

        The one cure for a chip whose firmware hung. Seen on a kernel 6.1: after
        a hang the chip goes on holding a link that BlueZ believes ended, so
        the strap never advertises; or each connection fails with "Input/output
        error". Waiting, disconnecting and removing the device did not help;
        this did within a second. While the firmware still hangs it is refused,
        and does no harm. It is not done while anything is connected to the
        adapter, headphones for example.
        """
        path = device.details.get("path", "") if isinstance(device.details, dict) else ""
        now_s = self._clock.now_s()
        if not path or now_s - self._power_cycled_s < POWER_CYCLE_EVERY_S:
            return False
        self._power_cycled_s = now_s
        async with self.calling():
            try:
                done = await self.bluetoothd.power_cycle(path.rpartition("/dev_")[0])
            except Trouble as trouble:
                log.debug("%s", trouble)
                return False
        if done:
            log.warning("%s fell silent and cannot be reached: switched the adapter off and on", called(device))
        return done
