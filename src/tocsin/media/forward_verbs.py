"""What the control process asks of a forward: to prepare it, to begin, to end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tocsin.media.forward import Forward, ForwardPlan, Forwards
from tocsin.media.ports import PortRange, PortsExhausted
from tocsin.media.stages import Stages
from tocsin.media.wire import Message, Refused


class ForwardVerbs:
    """The verbs `forward_open`, `forward_start` and `forward_close` of a worker."""

    def __init__(self, stages: Stages, ports: PortRange) -> None:
        self._stages = stages
        self._ports = ports
        self.forwards = Forwards(ports, self._ended)

    def table(self) -> dict[str, Callable[[Message], Awaitable[object]]]:
        """Return the verbs by name."""
        return {"forward_open": self._open, "forward_start": self._start, "forward_close": self._close}

    async def _open(self, message: Message) -> object:
        stream_id = str(message["stream_id"])
        plan = ForwardPlan(
            str(message["forward_id"]),
            str(message["view_id"]),
            str(message["mode"]),
            str(message["ip"]),
            int(message["port"]),
            int(message["ssrc"]),
            float(message["expires_at"]),
            keeps=bool(message.get("keeps")),
        )
        stage = self._stages.open(stream_id)
        try:
            made = await self.forwards.open(stream_id, plan)
        except PortsExhausted as error:
            raise Refused("ports_exhausted", str(error)) from error
        stage.forwards.append(made)
        self._stages.event("viewer_opened", stream_id, viewer_id=plan.forward_id, view_id=plan.view_id)
        self._stages.event("demand", stream_id)
        return {"ip": self._ports.ip, "port": made.port}

    async def _start(self, message: Message) -> object:
        if not self.forwards.start(str(message["forward_id"])):
            raise Refused("not_found", "the forward has ended")
        return {}

    async def _close(self, message: Message) -> object:
        self.forwards.close(str(message["forward_id"]))
        return {}

    def _ended(self, forward: Forward, stream_id: str, reason: str) -> None:
        plan, stage = forward.plan, self._stages.get(stream_id)
        if stage is not None and forward in stage.forwards:
            stage.forwards.remove(forward)
        self._stages.event(
            "viewer_closed", stream_id, viewer_id=plan.forward_id, view_id=plan.view_id, reason=reason, gaps=0
        )
        self._stages.event(
            "forward_ended", stream_id, forward_id=plan.forward_id, reason=reason, sent=forward.sent_packets
        )
        if stage is not None:
            if not stage.viewers and not stage.forwards:
                self._stages.event("idle", stream_id)
            self._stages.drop_if_empty(stage)
