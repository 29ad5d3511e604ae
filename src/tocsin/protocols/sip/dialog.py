"""INVITE dialogs from both ends, with their transactions inside: one object per call.

`InviteClient` offers, acknowledges, cancels and says BYE; `InviteServer` is the answering side (the simulated camera).
Every method returns a list of outputs to send or report; time is an argument in seconds.

Source: RFC 3261, "Initiating a Session", "Canceling a Request", "Terminating a Session"; RFC 6026 (repeated 2xx).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tocsin.protocols.sip.codes import DEFAULT_TIMERS, Timers, Transport
from tocsin.protocols.sip.message import (
    Headers,
    Request,
    Response,
    new_branch,
    response_to,
    tag_of,
    via_value,
)
from tocsin.protocols.sip.reliable import Unconfirmed
from tocsin.protocols.sip.transaction import (
    Answered,
    ClientTransaction,
    Provisional,
    Send,
    TimedOut,
    ack_for_failure,
    cancel_for,
)

_BODY_TYPE: Final = ("Content-Type", "application/sdp")


@dataclass(frozen=True, slots=True)
class Ringing:
    """A provisional response arrived."""

    status: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The call was answered and acknowledged; `body` is the peer's SDP."""

    response: Response


@dataclass(frozen=True, slots=True)
class Rejected:
    """The call was refused."""

    response: Response


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nobody answered in time; `had_provisional` tells a slow device from an unreachable one."""

    had_provisional: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The call is over: `by_peer` when the other end said BYE."""

    by_peer: bool


Output = Send | Ringing | Accepted | Rejected | Unanswered | Ended


@dataclass(frozen=True, slots=True)
class Local:
    """Who and where we are in a call."""

    uri: str
    contact: str
    host: str
    port: int
    transport: Transport


@dataclass(frozen=True, slots=True)
class DialogState:
    """What must survive a crash so that the call can still be ended."""

    call_id: str
    local: str
    remote: str
    target: str
    cseq: int


def request_in(
    state: DialogState, method: str, local: Local, branch: str, *, cseq: int, body: bytes = b"", content_type: str = ""
) -> Request:
    """Return a request inside the dialog, on a new branch."""
    fields = [
        ("Via", via_value(local.transport, local.host, local.port, branch)),
        ("From", state.local),
        ("To", state.remote),
        ("Call-ID", state.call_id),
        ("CSeq", f"{cseq} {method}"),
        ("Contact", f"<{local.contact}>"),
        ("Max-Forwards", "70"),
    ]
    if body:
        fields.append(("Content-Type", content_type))
    return Request(method, state.target, Headers(fields), body)


class ClientCallState(StrEnum):
    """States of a call we make."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    CANCELLING = "cancelling"
    CONFIRMED = "confirmed"
    ENDING = "ending"
    ENDED = "ended"


class InviteClient:
    """One call we make. `tokens()` gives a fresh unique word for each branch."""

    def __init__(
        self,
        *,
        target: str,
        to_uri: str,
        local: Local,
        call_id: str,
        tag: str,
        tokens: Callable[[], str],
        body: bytes,
        headers: Iterable[tuple[str, str]] = (),
        answer_within_s: float = 10.0,
        timers: Timers = DEFAULT_TIMERS,
        first_cseq: int = 1,
    ) -> None:
        self.state = ClientCallState.CALLING
        self.call_id = call_id
        self._local = local
        self._tokens = tokens
        self._timers = timers
        self._is_reliable = local.transport is Transport.TCP
        self._answer_within_s = answer_within_s
        fields = [
            ("Via", via_value(local.transport, local.host, local.port, new_branch(tokens()))),
            ("From", f"<{local.uri}>;tag={tag}"),
            ("To", f"<{to_uri}>"),
            ("Call-ID", call_id),
            ("CSeq", f"{first_cseq} INVITE"),
            ("Contact", f"<{local.contact}>"),
            ("Max-Forwards", "70"),
            *headers,
            _BODY_TYPE,
        ]
        self.invite = Request("INVITE", target, Headers(fields), body)
        self._data = self.invite.encode()
        self._cseq = self._first_cseq = first_cseq
        self._remote = f"<{to_uri}>"
        self._remote_tag = ""
        self._strays: dict[str, bytes] = {}
        self._ack = b""
        self._had_provisional = False
        self._cancel_wanted = False
        self._interval_s = timers.t1_s
        self._resend_at: float | None = None
        self._give_up_at: float | None = None
        self._child: ClientTransaction | None = None

    @property
    def saved(self) -> DialogState:
        """What to store so that a restarted server can say BYE."""
        return DialogState(self.call_id, self.invite.headers.get("from"), self._remote, self.invite.uri, self._cseq)

    def take_cseq(self) -> int:
        """Return the next CSeq of the dialog, for a request that is sent beside this object (INFO)."""
        self._cseq += 1
        return self._cseq

    def start(self, now: float) -> list[Output]:
        """Send the INVITE."""
        self._resend_at = None if self._is_reliable else now + self._interval_s
        self._give_up_at = now + self._answer_within_s
        return [Send(self._data)]

    def receive(self, response: Response, now: float) -> list[Output]:
        """Take a response with this call's Call-ID."""
        if response.method == "INVITE":
            return self._receive_invite_answer(response, now)
        if self._child is not None and response.method == self._child.request.method:
            return self._drive(self._child.receive(response, now), now)
        return []

    def receive_request(self, request: Request, tag: str = "") -> list[Output]:
        """Take a request inside this dialog from the peer; BYE ends the call, also while we end it ourselves."""
        if request.method == "BYE":
            was_over = self.state is ClientCallState.ENDED
            self._finish()
            reply = Send(response_to(request, 200, to_tag=tag).encode())
            return [reply] if was_over else [reply, Ended(by_peer=True)]
        if request.method == "ACK":
            return []
        status = 200 if request.method in ("INFO", "UPDATE", "MESSAGE", "NOTIFY", "OPTIONS") else 488
        return [Send(response_to(request, status, to_tag=tag).encode())]

    def cancel(self, now: float) -> list[Output]:
        """Give up the call before it is answered; RFC 3261 forbids CANCEL before the first provisional response."""
        if self.state is ClientCallState.CALLING:
            self._cancel_wanted = True
            self.state = ClientCallState.CANCELLING
            self._resend_at = None
            self._give_up_at = now + self._timers.timeout_s
            return []
        if self.state is ClientCallState.PROCEEDING:
            self.state = ClientCallState.CANCELLING
            self._give_up_at = now + self._timers.timeout_s
            return self._send_child(cancel_for(self.invite), now)
        if self.state is ClientCallState.CONFIRMED:
            return self.bye(now)
        return []

    def bye(self, now: float) -> list[Output]:
        """End an answered call."""
        if self.state is not ClientCallState.CONFIRMED:
            return []
        self.state = ClientCallState.ENDING
        self._cseq += 1
        request = request_in(self.saved, "BYE", self._local, new_branch(self._tokens()), cseq=self._cseq)
        return self._send_child(request, now)

    def timer(self) -> float | None:
        """Return when `handle_timer` is due, or None."""
        due = [self._resend_at, self._give_up_at, self._child.timer() if self._child else None]
        known = [at for at in due if at is not None]
        return min(known) if known else None

    def handle_timer(self, now: float) -> list[Output]:
        """Repeat, give up, or drive the CANCEL or BYE under way."""
        outputs: list[Output] = []
        if self._child is not None and (at := self._child.timer()) is not None and now >= at:
            outputs += self._drive(self._child.handle_timer(now), now)
        if self._give_up_at is not None and now >= self._give_up_at:
            return outputs + self._give_up(now)
        if self._resend_at is not None and now >= self._resend_at:
            self._interval_s *= 2
            self._resend_at = now + self._interval_s
            outputs.append(Send(self._data))
        return outputs

    def _receive_invite_answer(self, response: Response, now: float) -> list[Output]:
        if response.status < 200:
            return self._receive_provisional(response, now)
        if response.status >= 300:
            ack = Send(ack_for_failure(self.invite, response).encode())
            if self.state in (ClientCallState.CONFIRMED, ClientCallState.ENDING):
                return []
            if self.state is ClientCallState.ENDED:
                return [ack]
            was_cancelling = self.state is ClientCallState.CANCELLING
            self._finish()
            return [ack, Ended(by_peer=False)] if was_cancelling else [ack, Rejected(response)]
        return self._receive_success(response, now)

    def _receive_provisional(self, response: Response, now: float) -> list[Output]:
        if self.state not in (ClientCallState.CALLING, ClientCallState.PROCEEDING, ClientCallState.CANCELLING):
            return []
        self._had_provisional = True
        self._resend_at = None
        if self._cancel_wanted:
            self._cancel_wanted = False
            return self._send_child(cancel_for(self.invite), now)
        if self.state is ClientCallState.CALLING:
            self.state = ClientCallState.PROCEEDING
        return [Ringing(response.status)]

    def _receive_success(self, response: Response, now: float) -> list[Output]:
        tag = response.to_tag
        if self._ack and tag == self._remote_tag:
            return [Send(self._ack)]  # the peer repeats its 200 until an ACK arrives
        if self._ack or self.state is ClientCallState.ENDED:
            return self._hang_up_stray(response)
        self._remote_tag = tag
        self._remote = response.headers.get("to")
        self._ack = request_in(
            self.saved, "ACK", self._local, new_branch(self._tokens()), cseq=self._first_cseq
        ).encode()
        self._resend_at = self._give_up_at = None
        was_calling = self.state in (ClientCallState.CALLING, ClientCallState.PROCEEDING)
        self.state = ClientCallState.CONFIRMED
        self._child = None
        if was_calling:
            return [Send(self._ack), Accepted(response)]
        return [Send(self._ack), *self.bye(now)]  # answered although we gave up: the camera must not keep sending

    def _hang_up_stray(self, response: Response) -> list[Output]:
        """A second device answered, or the first one after the end: acknowledge it and hang up at once."""
        known = self._strays.get(response.to_tag)
        if known is not None:
            return [Send(known)]
        if len(self._strays) >= 8:
            return []
        to = response.headers.get("to")
        state = DialogState(self.call_id, self.invite.headers.get("from"), to, self.invite.uri, 1)
        first = self._first_cseq
        ack = request_in(state, "ACK", self._local, new_branch(self._tokens()), cseq=first).encode()
        bye = request_in(state, "BYE", self._local, new_branch(self._tokens()), cseq=first + 1).encode()
        self._strays[response.to_tag] = ack
        return [Send(ack), Send(bye)]

    def _give_up(self, now: float) -> list[Output]:
        self._resend_at = self._give_up_at = None
        if self.state is ClientCallState.CANCELLING:
            self._finish()
            return [Ended(by_peer=False)]
        outputs: list[Output] = [Unanswered(self._had_provisional)]
        outputs += self.cancel(now)
        return outputs

    def _send_child(self, request: Request, now: float) -> list[Output]:
        self._child = ClientTransaction(request, is_reliable=self._is_reliable, timers=self._timers)
        return self._drive(self._child.start(now), now)

    def _drive(self, produced: Iterable[Send | Provisional | Answered | TimedOut], now: float) -> list[Output]:
        outputs: list[Output] = []
        for item in produced:
            if isinstance(item, Send):
                outputs.append(item)
            elif isinstance(item, Answered | TimedOut) and self.state is ClientCallState.ENDING:
                self._finish()
                outputs.append(Ended(by_peer=False))
        return outputs

    def _finish(self) -> None:
        self.state = ClientCallState.ENDED
        self._resend_at = self._give_up_at = None
        self._child = None


class ServerCallState(StrEnum):
    """States of a call made to us."""

    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    ENDING = "ending"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The caller acknowledged our answer."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller gave up before we answered."""


ServerOutput = Send | Confirmed | Cancelled | Ended


class InviteServer:
    """One call made to us; repeats its final response over UDP until the ACK."""

    def __init__(
        self,
        invite: Request,
        *,
        tag: str,
        contact: str,
        local: Local,
        source: tuple[str, int],
        tokens: Callable[[], str],
        timers: Timers = DEFAULT_TIMERS,
    ) -> None:
        self.state = ServerCallState.PROCEEDING
        self.invite = invite
        self.tag = self._tag = tag
        self._contact = contact
        self._local = local
        self._source = source
        self._tokens = tokens
        self._timers = timers
        self._is_reliable = local.transport is Transport.TCP
        self._cseq = 0
        self._last = b""
        self._interval_s = timers.t1_s
        self._resend_at: float | None = None
        self._give_up_at: float | None = None
        self._child: ClientTransaction | None = None
        self._rseq = 0
        self._unconfirmed: Unconfirmed | None = None
        self._waiting_answer: tuple[bytes, list[tuple[str, str]]] | None = None

    def progress(
        self,
        status: int = 100,
        now: float = 0.0,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        is_reliable: bool = False,
    ) -> list[ServerOutput]:
        """Say that the call is being worked on; a reliable one is repeated until its PRACK (RFC 3262)."""
        if self.state is not ServerCallState.PROCEEDING:
            return []
        fields = [*headers, *([_BODY_TYPE] if body else [])]
        if body or is_reliable:
            fields.insert(0, ("Contact", f"<{self._contact}>"))
        if is_reliable:
            self._rseq += 1
            fields += [("Require", "100rel"), ("RSeq", str(self._rseq))]
        tag = self._tag if status > 100 else ""
        made = response_to(self.invite, status, to_tag=tag, source=self._source, headers=fields, body=body)
        self._last = made.encode()
        if is_reliable:
            self._unconfirmed = Unconfirmed.begin(
                self._rseq, self.invite.cseq, self._last, now, self._timers, has_body=bool(body)
            )
        return [Send(self._last)]

    def accept(self, body: bytes, now: float, headers: Iterable[tuple[str, str]] = ()) -> list[ServerOutput]:
        """Answer 200 with an SDP; after a description in a reliable response it waits for the PRACK of that one."""
        if self.state is not ServerCallState.PROCEEDING:
            return []
        if self._unconfirmed is not None and self._unconfirmed.has_body:
            self._waiting_answer = (body, list(headers))
            return []
        self.state = ServerCallState.ACCEPTED
        fields = [("Contact", f"<{self._contact}>"), *headers, *([_BODY_TYPE] if body else [])]
        return self._final(200, now, fields, body, repeat=True)

    def refuse(self, status: int, now: float, headers: Iterable[tuple[str, str]] = ()) -> list[ServerOutput]:
        """Answer with a failure."""
        if self.state is not ServerCallState.PROCEEDING:
            return []
        self.state = ServerCallState.REFUSED
        return self._final(status, now, headers, b"", repeat=not self._is_reliable)

    def receive(self, request: Request, now: float) -> list[ServerOutput]:
        """Take a request of this call: a repeated INVITE, ACK, CANCEL or BYE."""
        if request.method == "INVITE":
            return [Send(self._last)] if self._last else []
        if request.method == "ACK":
            return self._receive_ack()
        if request.method == "CANCEL":
            return self._receive_cancel(request, now)
        if request.method == "PRACK":
            return self._receive_prack(request, now)
        if request.method == "BYE":
            was_over = self.state is ServerCallState.ENDED
            self._finish()
            reply = Send(response_to(request, 200, to_tag=self._tag, source=self._source).encode())
            return [reply] if was_over else [reply, Ended(by_peer=True)]
        return [Send(response_to(request, 200, to_tag=self._tag, source=self._source).encode())]

    def assume_confirmed(self) -> list[ServerOutput]:
        """Take the ACK as received: media proves that a caller who sends none has our answer."""
        return self._receive_ack() if self.state is ServerCallState.ACCEPTED else []

    def receive_response(self, response: Response, now: float) -> list[ServerOutput]:
        """Take the answer to our BYE."""
        if self._child is None or response.method != "BYE":
            return []
        return self._drive(self._child.receive(response, now))

    @property
    def saved(self) -> DialogState:
        """What has to be kept to end this call later, also after a restart; `cseq` is our last one."""
        own = self.invite.headers.get("to")
        own = own if tag_of(own) else f"{own};tag={self._tag}"
        target = self.invite.headers.get("contact").partition("<")[2].partition(">")[0] or self.invite.uri
        return DialogState(self.invite.call_id, own, self.invite.headers.get("from"), target, self._cseq)

    def take_cseq(self) -> int:
        """Return the next CSeq of ours, for a request that is sent beside this object (INFO, UPDATE)."""
        self._cseq += 1
        return self._cseq

    def bye(self, now: float) -> list[ServerOutput]:
        """End the call from our side."""
        if self.state not in (ServerCallState.ACCEPTED, ServerCallState.CONFIRMED):
            return []
        self.state = ServerCallState.ENDING
        self._resend_at = self._give_up_at = None
        request = request_in(self.saved, "BYE", self._local, new_branch(self._tokens()), cseq=self.take_cseq())
        self._child = ClientTransaction(request, is_reliable=self._is_reliable, timers=self._timers)
        return self._drive(self._child.start(now))

    def timer(self) -> float | None:
        """Return when `handle_timer` is due, or None."""
        due = [self._resend_at, self._give_up_at, self._child.timer() if self._child else None]
        due.append(self._unconfirmed.due if self._unconfirmed else None)
        known = [at for at in due if at is not None]
        return min(known) if known else None

    def handle_timer(self, now: float) -> list[ServerOutput]:
        """Repeat what was not acknowledged, or end a call nobody acknowledged."""
        outputs: list[ServerOutput] = []
        if self._unconfirmed is not None:
            if now >= self._unconfirmed.give_up_at:
                return [*self.refuse(504, now), Ended(by_peer=False)]
            again = self._unconfirmed.repeated(now)
            outputs += [Send(again)] if again else []
        if self._child is not None and (at := self._child.timer()) is not None and now >= at:
            outputs += self._drive(self._child.handle_timer(now))
        if self._give_up_at is not None and now >= self._give_up_at:
            was_accepted = self.state is ServerCallState.ACCEPTED
            self._resend_at = self._give_up_at = None
            if was_accepted:
                return [*outputs, *self.bye(now)]
            self._finish()
            return [*outputs, Ended(by_peer=False)]
        if self._resend_at is not None and now >= self._resend_at:
            self._interval_s = min(self._interval_s * 2, self._timers.t2_s)
            self._resend_at = now + self._interval_s
            outputs.append(Send(self._last))
        return outputs

    def _final(
        self, status: int, now: float, headers: Iterable[tuple[str, str]], body: bytes, *, repeat: bool
    ) -> list[ServerOutput]:
        answer = response_to(self.invite, status, to_tag=self._tag, source=self._source, headers=headers, body=body)
        self._last = answer.encode()
        self._unconfirmed = self._waiting_answer = None
        self._resend_at = now + self._interval_s if repeat else None
        self._give_up_at = now + self._timers.timeout_s
        return [Send(self._last)]

    def _receive_prack(self, request: Request, now: float) -> list[ServerOutput]:
        waiting = self._unconfirmed
        is_meant = waiting is not None and waiting.is_meant_by(request)
        reply = response_to(request, 200 if is_meant else 481, to_tag=self._tag, source=self._source)
        if not is_meant:
            return [Send(reply.encode())]
        self._unconfirmed = None
        held, self._waiting_answer = self._waiting_answer, None
        return [Send(reply.encode()), *(self.accept(held[0], now, held[1]) if held is not None else [])]

    def _receive_ack(self) -> list[ServerOutput]:
        if self.state is ServerCallState.ACCEPTED:
            self.state = ServerCallState.CONFIRMED
            self._resend_at = self._give_up_at = None
            return [Confirmed()]
        if self.state is ServerCallState.REFUSED:
            self._finish()
            return [Ended(by_peer=False)]
        return []

    def _receive_cancel(self, request: Request, now: float) -> list[ServerOutput]:
        reply = Send(response_to(request, 200, to_tag=self._tag, source=self._source).encode())
        if self.state is not ServerCallState.PROCEEDING:
            return [reply]  # too late: the final response stands and the caller must say BYE
        return [reply, *self.refuse(487, now), Cancelled()]

    def _drive(self, produced: Iterable[Send | Provisional | Answered | TimedOut]) -> list[ServerOutput]:
        outputs: list[ServerOutput] = []
        for item in produced:
            if isinstance(item, Send):
                outputs.append(item)
            elif isinstance(item, Answered | TimedOut) and self.state is ServerCallState.ENDING:
                self._finish()
                outputs.append(Ended(by_peer=False))
        return outputs

    def _finish(self) -> None:
        self.state = ServerCallState.ENDED
        self._resend_at = self._give_up_at = None
        self._unconfirmed = self._waiting_answer = None
        self._child = None
