"""Step timelines: what happened in a registration, a catalogue or a play, in the words shown to people.

Source: GB/T 28181-2022, defaults and errors, turned into plain sentences.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tocsin.base.words import Words

MAX_STEPS: Final = 40


class StepState(StrEnum):
    """How a step ended."""

    OK = "ok"
    FAILED = "failed"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """One step: message key, state, milliseconds since the start, parameters of the words."""

    key: str
    state: StepState
    elapsed_ms: int
    params: tuple[tuple[str, str | int], ...] = ()


@dataclass(slots=True)
class Timeline:
    """Collects the steps of one attempt; `started_s` is a monotonic time. Bounded."""

    started_s: float
    steps: list[TimelineStep] = field(default_factory=list)
    failure: str = ""

    def ok(self, key: str, now_s: float, **params: str | int) -> None:
        """Record a step that succeeded."""
        self._add(StepState.OK, key, now_s, params)

    def failed(self, key: str, now_s: float, **params: str | int) -> None:
        """Record a step that failed; the last failure is the attempt's."""
        self.failure = key
        self._add(StepState.FAILED, key, now_s, params)

    def waiting(self, key: str, now_s: float, **params: str | int) -> None:
        """Record that something is awaited; the next step replaces it."""
        self._add(StepState.WAITING, key, now_s, params)

    def _add(self, state: StepState, key: str, now_s: float, params: dict[str, str | int]) -> None:
        if self.steps and self.steps[-1].state is StepState.WAITING:
            self.steps.pop()
        elapsed_ms = max(0, round((now_s - self.started_s) * 1000))
        step = TimelineStep(key, state, elapsed_ms, tuple(params.items()))
        if len(self.steps) >= MAX_STEPS:
            self.steps[-1] = step
        else:
            self.steps.append(step)


MODE_NAMES: Final[dict[str, str]] = {"udp": "UDP", "tcp_passive": "TCP passive", "tcp_active": "TCP active"}

STATUS_KEYS: Final[dict[int, str]] = {
    400: "play.refused_malformed",
    401: "play.refused_credentials",
    403: "play.refused_forbidden",
    404: "play.refused_unknown_id",
    407: "play.refused_credentials",
    415: "play.refused_transport",
    480: "play.refused_offline",
    481: "play.refused_dialog",
    486: "play.refused_busy",
    488: "play.refused_transport",
    600: "play.refused_busy",
    603: "play.refused_forbidden",
}


def refusal_key(status: int) -> str:
    """Return the message key for a refused INVITE."""
    if status in STATUS_KEYS:
        return STATUS_KEYS[status]
    return "play.refused_fault" if status >= 500 else "play.refused_other"


WORDS: Final = Words(
    {
        "register.received": (
            "The device asked to register from {peer} over {transport}.",
            "设备从 {peer} 通过 {transport} 请求注册。",
        ),
        "register.challenged": ("We asked for its password.", "平台要求设备提供密码。"),
        "register.nonce_stale": (
            "It answered an old or reused challenge; we sent a new one.",
            "设备使用了过期或已用过的认证随机数，平台已重新下发。",
        ),
        "register.granted": (
            "The password is right. Registered for {expires_s} s.",
            "密码正确，注册成功，有效期 {expires_s} 秒。",
        ),
        "register.clamped": (
            "It asked for {asked_s} s; we granted {expires_s} s.",
            "设备申请有效期 {asked_s} 秒，平台按 {expires_s} 秒批准。",
        ),
        "register.removed": ("The device signed off.", "设备主动注销。"),
        "register.wrong_password": (
            "The password is wrong. Enter the same password here and in the camera.",
            "密码错误。请确认平台与摄像机上设置的密码一致。",
        ),
        "register.wrong_username": (
            "The device signed in with another user name than its id.",
            "设备使用的认证用户名与其编号不符，请在设备上改为设备编号。",
        ),
        "register.unknown_device": (
            "Nobody has entered this device. It waits in the list of pending devices.",
            "平台未登记该设备，已列入待接入设备清单。",
        ),
        "register.no_password": (
            "No password is set for this device here. Set one, then it can register.",
            "平台尚未为该设备设置密码，请先设置密码。",
        ),
        "register.ids_differ": (
            "The device names two different ids (From and To). Check the id in its settings.",
            "设备报文中的两个编号不一致（From 与 To），请检查设备编号设置。",
        ),
        "register.backing_off": (
            "Too many wrong attempts from there; the next one is accepted in {retry_after_s} s.",
            "该来源多次认证失败，{retry_after_s} 秒后才能再次尝试。",
        ),
        "register.too_often": (
            "It asked to register from {peer} many times a second. It is answered again in {retry_after_s} s; check "
            "its registration interval, or who uses its id.",
            "设备从 {peer} 每秒多次请求注册，平台将在 {retry_after_s} 秒后再应答。"
            "请检查其注册间隔，或是否有他人冒用该编号。",
        ),
        "register.no_answer": (
            "The device did not answer our challenge: it may not receive our packets (firewall, wrong port).",
            "设备未应答认证要求，可能收不到平台的报文（防火墙或端口错误）。",
        ),
        "register.expired": ("The registration ran out and was not renewed.", "注册已到期且未续约。"),
        "register.keepalive_lost": (
            "No keepalive for {silent_s} s: the device counts as offline.",
            "已 {silent_s} 秒未收到心跳，设备视为离线。",
        ),
        "register.connection_lost": ("The TCP connection broke.", "TCP 连接已断开。"),
        "catalog.asked": ("We asked for the list of channels.", "平台已请求通道目录。"),
        "catalog.acknowledged": ("The device took the question.", "设备已接受目录请求。"),
        "catalog.page": ("{received} of {expected} channels arrived.", "已收到 {received}/{expected} 个通道。"),
        "catalog.complete": ("The list is complete: {received} channels.", "目录完整，共 {received} 个通道。"),
        "catalog.stored": (
            "{added} new, {changed} changed, {gone} no longer there.",
            "新增 {added} 个，变更 {changed} 个，已不存在 {gone} 个。",
        ),
        "catalog.incomplete": (
            "The list stopped at {received} of {expected}. What arrived is kept and nothing is removed.",
            "目录只收到 {received}/{expected}，已到的保留，不删除任何通道。",
        ),
        "catalog.no_answer": (
            "The device took the question but sent no list.",
            "设备接受了请求但没有返回目录。",
        ),
        "catalog.unreachable": (
            "The device did not answer the question: its address may have changed or a firewall is in the way.",
            "设备没有应答目录请求：地址可能已变化，或被防火墙阻挡。",
        ),
        "catalog.refused": ("The device refused the question with {status}.", "设备以 {status} 拒绝目录请求。"),
        "catalog.unreadable": (
            "A page could not be read ({reason}). Lists above one network packet need TCP.",
            "有一页目录无法解析（{reason}）。超过单个报文的目录请改用 TCP。",
        ),
        "catalog.repaired": (
            "{pages} pages held broken XML and were repaired.",
            "有 {pages} 页 XML 不规范，已修复。",
        ),
        "catalog.large_pages": (
            "Its pages have up to {size_bytes} bytes, more than one network packet: over UDP pieces get lost.",
            "目录单页达 {size_bytes} 字节，超过单个网络包，UDP 分片可能在途中丢失。",
        ),
        "catalog.empty_page": (
            "A page arrived without its content: a recorder with several addresses may send from the wrong one.",
            "有一页目录没有内容：多网口录像机可能选错了发送地址。",
        ),
        "catalog.retry_tcp": ("We ask once more, over TCP.", "平台改用 TCP 再次请求。"),
        "catalog.retry": ("We ask once more.", "平台再次请求。"),
        "subscribe.granted": (
            "The device took our subscription; renewed every {expires_s} s at the latest.",
            "设备已接受订阅，最长每 {expires_s} 秒续订一次。",
        ),
        "subscribe.lost": (
            "The device no longer knew our subscription; we began a new one.",
            "设备已丢失订阅，平台重新订阅。",
        ),
        "subscribe.refused": (
            "The device takes no such subscription ({status}). What it has to report may still come unasked; it is not "
            "asked again until it registers anew.",
            "设备不支持该订阅（{status}）。设备仍可能主动上报；重新注册前平台不再请求订阅。",
        ),
        "subscribe.put_off": (
            "The device could not take the subscription at the moment ({status}). We ask again later.",
            "设备暂时无法接受订阅（{status}），平台稍后重试。",
        ),
        "subscribe.no_answer": (
            "The device did not answer the subscription. We ask again later.",
            "设备没有应答订阅，平台稍后重试。",
        ),
        "alarm.reset_refused": (
            "The device refused to be reset after the alarm {code} of {source}. It may report no further alarm there: "
            "reset it at the device.",
            "设备拒绝报警 {code}（{source}）的复位命令，可能不再上报该报警点的报警，请在设备上复位。",
        ),
        "alarm.reset_unreachable": (
            "The reset after the alarm {code} of {source} did not reach the device. It may report no further alarm "
            "there: reset it at the device.",
            "报警 {code}（{source}）的复位命令未送达，设备可能不再上报该报警点的报警，请在设备上复位。",
        ),
        "play.device_offline": (
            "The device is not registered, so it cannot be asked for a picture.",
            "设备未注册，无法请求图像。",
        ),
        "play.receiver_opened": (
            "A receiver waits on {address} ({mode}).",
            "接收端口已打开：{address}（{mode}）。",
        ),
        "play.no_receiver": (
            "No receiving port could be opened: {reason}.",
            "无法打开接收端口：{reason}。",
        ),
        "play.invited": ("We asked the camera for the picture ({mode}).", "平台已向摄像机请求图像（{mode}）。"),
        "play.trying": ("The camera is working on it.", "摄像机正在处理。"),
        "play.answered": ("The camera accepted.", "摄像机已接受。"),
        "play.own_port": (
            "The shared media port does not serve this device, which sends another stream number: it gets a port of its"
            " own.",
            "共用媒体端口不适用于该设备（其流编号不符），改用独立端口。",
        ),
        "play.other_ssrc": (
            "The camera sends under another stream number; we follow it.",
            "摄像机使用了不同的流标识（SSRC），平台已跟随。",
        ),
        "play.connected": ("Connected to the camera at {address}.", "已连接摄像机 {address}。"),
        "play.connect_failed": (
            "The camera's media port {address} could not be reached.",
            "无法连接摄像机媒体端口 {address}。",
        ),
        "play.media": ("The picture arrives.", "图像已到达。"),
        "play.no_media": (
            "The camera accepted but sent nothing for {waited_s} s by {mode}. Often it cannot reach the address "
            "we announce ({address}).",
            "摄像机已接受，但 {waited_s} 秒内没有以 {mode} 送来数据。"
            "常见原因：摄像机无法到达平台公布的地址 {address}。",
        ),
        "play.no_sub_stream": (
            "The camera refuses to send a sub stream; the main stream is shown instead.",
            "摄像机拒绝发送子码流，改为显示主码流。",
        ),
        "play.next_mode": ("We try {mode} next.", "改用 {mode} 重试。"),
        "play.next_offer": (
            "We ask again with another description ({offer}, {mode}).",
            "改用另一种媒体描述（{offer}，{mode}）重试。",
        ),
        "play.next_target": (
            "We call the device itself instead of its channel.",
            "改为直接呼叫设备编号而非通道编号。",
        ),
        "play.old_call_ended": (
            "An old picture whose end the camera had not confirmed was ended; we ask again.",
            "已结束一路摄像机此前未确认关闭的旧会话，平台重新请求。",
        ),
        "play.large_unanswered": (
            "Our question has {size_bytes} bytes, more than one network packet: over UDP its pieces may get lost on "
            "the way. Let the camera register over TCP.",
            "请求报文 {size_bytes} 字节，超过单个网络包，UDP 分片可能在途中丢失。请让摄像机改用 TCP 注册。",
        ),
        "play.no_answer": (
            "The camera did not answer within {waited_s} s.",
            "摄像机在 {waited_s} 秒内没有应答。",
        ),
        "play.answer_no_sdp": ("The camera accepted without saying what it sends.", "摄像机应答中没有媒体描述。"),
        "play.answer_refused_media": ("The camera accepted but refused the picture.", "摄像机应答但拒绝了媒体。"),
        "play.answer_other_transport": (
            "The camera ignored our transport ({mode}) and chose another.",
            "摄像机忽略了所要求的传输方式（{mode}）。",
        ),
        "play.answer_same_role": (
            "Both ends want to open the connection, or neither does ({mode}).",
            "双方的 TCP 连接角色冲突（{mode}）。",
        ),
        "play.answer_private_format": (
            "The camera sends a private format ({format}). Switch it to standard PS streams.",
            "摄像机发送私有格式（{format}），请在设备上改为标准 PS 流。",
        ),
        "play.answer_no_address": ("The camera gave no address to connect to.", "摄像机没有给出可连接的地址。"),
        "play.refused_malformed": (
            "The camera could not read our request ({status}).",
            "摄像机无法解析请求（{status}）。",
        ),
        "play.refused_credentials": ("The camera asks for credentials ({status}).", "摄像机要求认证（{status}）。"),
        "play.refused_forbidden": ("The camera refuses us ({status}).", "摄像机拒绝访问（{status}）。"),
        "play.refused_unknown_id": (
            "The device does not know this channel any more ({status}). Ask for its list again.",
            "设备不认识该通道（{status}），请重新获取目录。",
        ),
        "play.refused_transport": (
            "The camera refuses this transport or format ({status}).",
            "摄像机不支持该传输方式或格式（{status}）。",
        ),
        "play.refused_offline": ("The channel is offline at the device ({status}).", "通道在设备侧离线（{status}）。"),
        "play.refused_busy": (
            "The camera has no free stream ({status}). An old one may still be open.",
            "摄像机码流已占满（{status}），可能有旧会话未释放。",
        ),
        "play.refused_dialog": ("The camera lost the call ({status}).", "摄像机丢失了会话（{status}）。"),
        "play.refused_fault": ("The camera reports a fault ({status}).", "摄像机报告故障（{status}）。"),
        "play.refused_other": ("The camera refused with {status}.", "摄像机以 {status} 拒绝。"),
        "play.ended_by_camera": ("The camera ended the call.", "摄像机主动结束了会话。"),
        "play.ended": ("The call was ended: {reason}.", "会话已结束：{reason}。"),
        "play.given_up": ("Nobody waits for the picture any more.", "已无人等待该图像，请求已取消。"),
        "upload.asked": (
            "The device {source} asked for its picture to be watched, at {time} of its clock.",
            "设备 {source} 请求平台调看其视频（设备时间 {time}）。",
        ),
        "format.done": (
            "The device erased card {card} (0: all) of {target}.",
            "设备已格式化 {target} 的存储卡 {card}（0 表示全部）。",
        ),
        "format.unconfirmed": (
            "The device took the order to erase card {card} (0: all) of {target}; the card's own state tells the rest.",
            "设备已接收格式化 {target} 存储卡 {card}（0 表示全部）的命令，结果请看存储卡状态。",
        ),
        "format.refused": (
            "The device refused to erase card {card} of {target}.",
            "设备拒绝格式化 {target} 的存储卡 {card}。",
        ),
        "format.unreachable": (
            "The order to erase card {card} of {target} did not reach the device.",
            "格式化 {target} 存储卡 {card} 的命令未送达设备。",
        ),
        "upgrade.done": ("The device begins to install firmware {firmware}.", "设备已开始升级固件 {firmware}。"),
        "upgrade.unconfirmed": (
            "The device took the order to install firmware {firmware}; its result is awaited.",
            "设备已接收升级固件 {firmware} 的命令，等待升级结果。",
        ),
        "upgrade.refused": ("The device refused to install firmware {firmware}.", "设备拒绝升级固件 {firmware}。"),
        "upgrade.unreachable": (
            "The order to install firmware {firmware} did not reach the device.",
            "升级固件 {firmware} 的命令未送达设备。",
        ),
        "upgrade.installed": ("The device says it installed firmware {firmware}.", "设备上报已升级到固件 {firmware}。"),
        "upgrade.failed": (
            "The device says that the upgrade failed: {reason}",
            "设备上报升级失败：{reason}",
        ),
        "play.leftover_ended": (
            "A call left over from before a restart was ended.",
            "已结束重启前遗留的会话。",
        ),
    }
)
