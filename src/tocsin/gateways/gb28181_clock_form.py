"""Learning how a device takes our clock: who drops the 200 with a Date registers anew at once and says nothing else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from tocsin.base.clock import Clock
from tocsin.domain.devices import DeviceReports
from tocsin.domain.directory import SipDevice
from tocsin.gateways.gb28181_devices import RegisteredDevice
from tocsin.protocols.gb28181.tries import DateForm

AT_ONCE_S: Final = 10.0
STRIKES: Final = 3
MAX_KNOWN: Final = 4096
NEXT_FORM: Final = {DateForm.MILLISECONDS: DateForm.SECONDS, DateForm.SECONDS: DateForm.NONE}


def form_of(entry: SipDevice) -> DateForm:
    """Return how this device gets the clock."""
    if not entry.send_date:
        return DateForm.NONE
    return DateForm(entry.date_form) if entry.date_form in tuple(DateForm) else DateForm.MILLISECONDS


class ClockForms:
    """Counts registrations that follow each other at once; bounded."""

    def __init__(self, reports: DeviceReports, clock: Clock, device_of: Callable[[str], SipDevice | None]) -> None:
        self._reports = reports
        self._clock = clock
        self._device_of = device_of
        self._strikes: OrderedDict[str, int] = OrderedDict()
        self._unproven: OrderedDict[str, DateForm] = OrderedDict()

    def granted(self, entry: SipDevice, device: RegisteredDevice | None, now: float) -> DateForm:
        """A registration is being granted; `device` as it stood before it. Return the form to send."""
        form = form_of(entry)
        is_at_once = device is not None and now - device.granted_at < AT_ONCE_S
        if not is_at_once or (device is not None and device.last_seen > device.granted_at):
            self._strikes.pop(entry.gb_id, None)
            return form
        strikes = self._strikes.pop(entry.gb_id, 0) + 1
        if strikes < STRIKES or form not in NEXT_FORM or not entry.send_date:
            while len(self._strikes) >= MAX_KNOWN:
                self._strikes.popitem(last=False)
            self._strikes[entry.gb_id] = min(strikes, STRIKES)
            return form
        form = NEXT_FORM[form]
        while len(self._unproven) >= MAX_KNOWN:
            self._unproven.popitem(last=False)
        self._unproven[entry.gb_id] = form
        self._reports.found(
            entry.device_id,
            self._clock.now(),
            "date_form",
            form.value,
            "dropped_after_date",
            is_proven=False,
            times=strikes,
        )
        return form

    def settle(self, device_at: Callable[[str], RegisteredDevice | None]) -> None:
        """Call it now and then: a device that speaks after the new form has proven it."""
        for gb_id, form in list(self._unproven.items()):
            device, entry = device_at(gb_id), self._device_of(gb_id)
            if entry is None:
                del self._unproven[gb_id]
            elif device is not None and device.last_seen > device.granted_at:
                del self._unproven[gb_id]
                self._strikes.pop(gb_id, None)
                self._reports.found(entry.device_id, self._clock.now(), "date_form", form.value, "stayed_after_date")
