"""What each setting means, in Chinese; the English words are the descriptions of `settings.py` itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DESCRIPTIONS_ZH: Final[Mapping[str, str]] = {
    "server.data": "存放全部数据的目录：数据库、audit.heads、secret.key。相对路径以启动目录为起点。",
    "server.host": "控制台与 API 的监听地址，默认仅限本机。",
    "server.port": "控制台与 API 的端口；0 表示自动选用空闲端口。",
    "server.public_url": "前面有代理时用户输入的地址，如 https://tocsin.example.org。"
    "使用 https 时会话 Cookie 标记为 Secure。",
    "server.allowed_hosts": "请求可使用的主机名（不含端口），其他一律拒绝；public_url 的主机与监听地址始终允许。",
    "server.session_hours": "一次登录最长有效时间。",
    "server.metrics_token": "非本机访问 /metrics 所需的令牌；为空则一律拒绝。",
    "storage.url": "数据库地址：sqlite:///文件 或 postgresql://用户:密码@主机/库名。"
    "为空时使用数据目录中的 tocsin.sqlite3。",
    "storage.group_cap": "一次提交最多合并的工作项数；上一次提交结束后再提交等待中的工作。",
    "dc09.host": "报警主机连接的地址。",
    "dc09.port": "TCP 与 UDP 共用的端口；0 表示自动选用空闲端口。",
    "dc09.tcp": "监听 TCP。",
    "dc09.udp": "监听 UDP。",
    "dc09.max_connections": "同时保持的 TCP 连接上限，超出即关闭。",
    "dc09.max_connections_per_address": "同一地址的 TCP 连接上限，豁免网段除外。",
    "dc09.exempt_networks": "不受单地址连接上限约束的网段，如运营商 NAT、前置接警机。",
    "dc09.frame_timeout_s": "一帧从首字节起须在此时间内收完。",
    "dc09.idle_timeout_s": "TCP 连接在此时间内没有数据即关闭。",
    "dc09.max_waiting": "等待提交的信号上限；达到后暂停读取，由主机自身的缓冲承接。",
    "dc09.answers_duh": "对无法识别的内容回复 DUH；默认关闭，因为主机可能在收到 DUH 后放弃该信号。",
    "dc09.panel_utc_offset_hours": "主机时钟比 UTC 快多少小时；SIA 数据块内的时间为当地时间。",
    "webhook.window_s": "报文时间戳与本机时钟允许的最大偏差。",
    "webhook.per_s": "每个来源长期平均每秒可发送的消息数。",
    "webhook.burst": "达到上述速率限制之前，每个来源可一次突发的消息数。",
    "sip.host": "设备注册的地址。",
    "sip.port": "UDP 与 TCP 共用的端口；0 表示自动选用空闲端口。",
    "sip.udp": "监听 UDP。",
    "sip.tcp": "监听 TCP。",
    "sip.server_id": "本平台的 20 位编码，类型 200（中心信令控制服务器）。",
    "sip.realm": "SIP 域与摘要认证域；惯例取 server_id 的前十位。",
    "sip.contact_ip": "设备看到的本平台地址，写入 Via 与 Contact。"
    "为空时取监听地址；监听 0.0.0.0 时取通往该设备的路由地址。",
    "sip.media_ip": "写入会话描述的地址，即设备送图的目的地。为空时与 contact_ip 相同。",
    "sip.catalogs_per_s": "每秒最多向这么多台设备索取目录。",
    "sip.keepalive_misses": "连续错过这么多次心跳后判为离线。",
    "sip.media_ladder": "请求图像依次尝试的方式；成功的方式按设备记住。",
    "sip.invite_timeout_s": "设备应答 INVITE 的最长时间。",
    "sip.first_packet_timeout_s": "应答后首个图像包的最长等待时间，超时则改用下一种方式。",
    "sip.redirect_to": "设备注册时以 302 转到该服务器以分担负载：编号@主机:端口。五分钟内"
    "返回的设备由本机服务。为空则不转移。",
    "media.workers": "图像进程数；每个进程按 300 路 2 Mbit/s 规划。",
    "media.host": "用户取图、设备送图的地址。",
    "media.port": "用户取图的端口；其余进程依次使用后续端口；0 表示自动选用空闲端口。",
    "media.rtp_ports": "设备送图的端口范围（起-止），由各进程分用。",
    "media.stop_after_s": "最后一名观看者离开后，过这么久请求摄像机停止送图。",
    "media.fragment_ms": "图像进程跟不上时，合并发送的图像片段的最长时长。",
    "media.receive_buffer_bytes": "每个套接字申请的接收缓冲；系统有上限（net.core.rmem_max），实际值见日志。",
    "media.viewer_queue_bytes": "观看者积压超过此值时跳到下一关键帧，并告知有缺口。",
    "media.rtp_mode": "设备送图的端口方式：ports 为每路一个端口（rtp_ports）；shared 为所有流共用 rtp_shared_port"
    "（UDP 与 TCP，按 SSRC 区分），适用于只放行一个端口的网络。",
    "media.rtp_shared_port": "rtp_mode 为 shared 时的共用端口；其余进程依次使用后续端口；0 表示自动选用空闲端口。",
    "media.max_speech_s": "一次喊话的最长时间，超过后须重新呼叫设备。",
    "media.download_keep_days": "从设备下载的录像文件保留天数，到期删除并记入审计。",
    "media.disk_reserve_mb": "磁盘剩余空间低于此值时不再下载录像。",
    "media.max_transcodes": "同时为浏览器转码的 H.265 摄像机数；每路至少占五分之一个核。0 为关闭。",
    "media.ffmpeg": "转码 H.265 的程序，作为独立进程运行。",
    "media.relay": "由谁转发实时图像：own 为自带进程；zlmediakit 为 external_ 各项所指的 ZLMediaKit 服务器，"
    "仅用于 GB/T 28181 实时图像。该方式尚未在真实服务器上验证。",
    "media.external_url": "流媒体服务器的 HTTP 接口，例如 http://127.0.0.1:80。尚未在真实服务器上验证。",
    "media.external_secret": "流媒体服务器配置 api 一节中的 secret。",
    "media.external_public": "浏览器从流媒体服务器取图的地址，例如 ws://media.example.org:80。",
    "media.external_hook_host": "接收流媒体服务器回调的监听地址。",
    "media.external_hook_port": "接收流媒体服务器回调的端口；0 表示自动选用空闲端口。",
    "media.external_hook_secret": "回调路径中的密钥，至少 16 位字母和数字：/hook/密钥/on_play。",
    "media.external_hook_networks": "允许发来回调的网段，其余一律拒绝。",
    "audit.heads": "任何回复发出前写入审计链头的文件。为空时为数据目录中的 audit.heads；"
    "放在另一块磁盘或另一台机器上，可证明链尾被截断。",
    "health.check_interval_h": "每台启用的摄像机在此时间内检测一次画面指标，画面不向任何人显示；0 表示不检测。",
    "health.loss_percent": "丢包率高于此值判为故障。",
    "health.key_interval_s": "关键帧间隔大于此值判为故障。",
    "health.least_kbps": "码率低于此值判为故障。",
    "health.clock_offset_s": "设备时钟偏差大于此值判为故障。",
    "picture_health.every_minutes": "正在取流的摄像机每隔此时间由机器检查一帧画面，"
    "画面不向任何人显示；0 表示完全不检查。",
    "picture_health.open_every_hours": "无人调看的启用摄像机每隔此时间打开数秒检查一次；0 表示不主动打开。",
    "picture_health.opens_per_minute": "每分钟最多为检查打开的摄像机数量，每台设备十分钟内最多一次。",
    "snapshots.upload_url": "摄像机上传抓图所用的本机地址，例如 http://10.0.0.5:8080，其主机名须列入"
    " server.allowed_hosts。为空时取 server.public_url，再取控制台监听的地址和端口。",
    "snapshots.on_alarm": "警情产生时，是否由平台自动向已关联且支持抓图的摄像机各抓一张（最多四台）。"
    "该操作以平台名义进行，用途为该警情，并写入审计。",
    "snapshots.keep_days": "上传的抓图保留天数。",
    "recording.volumes": "存放录像的目录，每个目录宜在独立磁盘上，各路码流分散写入。为空时为数据目录中的 recordings。",
    "recording.segment_s": "每个录像文件的时长；录像超过 1000 路时宜取 300。",
    "recording.reserve_mb": "录像在每个录像卷上保留的空闲空间。",
    "recording.high_percent": "使用率达到此值时，开始清理最早的录像。",
    "recording.low_percent": "清理到使用率降至此值为止。",
    "recording.pre_roll_memory_mb": "警情前画面的预录内存，用于事件录像和无计划但正在观看的摄像机；不足时先舍弃后者。",
    "recording.hold_quota_percent": "留存锁定最多可占全部存储卷的百分比。",
    "recording.time_zone": "录像计划与保存证明按日统计所用的时区，如 Asia/Shanghai；为空则取服务器时区。",
    "clips.on_alarm": "每条有关联摄像机的警情是否自动保存警情短片。该操作以平台名义进行，用途为该警情，并写入审计。",
    "clips.record": "没有录像计划的摄像机，是否从报警起录制到短片结束。",
    "clips.pre_s": "短片从警情发生前多久开始。",
    "clips.post_s": "短片到警情发生后多久结束；同一警情有新报警时顺延。",
    "clips.longest_s": "短片最长时长，超出部分另起一段。",
    "clips.keep_days": "警情结警后短片的保留天数。",
    "edge.fetch": "平台未录制的画面，是否在报警后从摄像机或录像机取回。",
    "edge.before_s": "除短片外，取回报警前多长时间的录像。",
    "edge.after_s": "取回报警后多长时间的录像；前后均为 0 时只取短片。",
    "supervision.check_s": "检查设备超时的间隔。",
    "supervision.overdue_factor": "超过自身巡检间隔的这么多倍后，主机判为超时。",
    "supervision.start_grace_s": "本机启动或中断后，在此时间内不判任何设备超时：我方的静默不算设备的。",
    "log.level": "写入日志的最低级别。",
    "log.format": "JSON 行或彩色文本；auto 在终端上为文本。",
}


def describe(name: str, english: str, language: str) -> str:
    """Return the description of a setting in the caller's language; the English one when there is no other."""
    return DESCRIPTIONS_ZH.get(name, english) if language.startswith("zh") else english
