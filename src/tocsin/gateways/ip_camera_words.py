"""What happened while a camera was called, in words for people."""

from __future__ import annotations

from typing import Final

from tocsin.base.words import Words

WORDS: Final = Words(
    {
        "camera.asked": ("We asked the camera at {host}.", "平台已请求摄像机 {host}。"),
        "camera.answered": ("The camera answered ({said}).", "摄像机已应答（{said}）。"),
        "camera.silent": (
            "No answer from {host}: {reason}. Check address, port, power and firewall.",
            "{host} 没有应答：{reason}。请检查地址、端口、供电和防火墙。",
        ),
        "camera.password_held_back": (
            "The camera refused this password before. It was not tried again: enter it anew or press “Try again”.",
            "摄像机此前拒绝过该密码，未再尝试。请重新填写密码或点击“重试”。",
        ),
        "camera.wrong_password": (
            "The camera refused the user name or password. It was tried once and is not tried again by itself.",
            "摄像机拒绝了用户名或密码。只尝试了一次，平台不会自动再试。",
        ),
        "camera.password_missing": (
            "The camera asks for a user name and a password. Enter them on this page.",
            "摄像机要求用户名和密码，请在本页填写。",
        ),
        "camera.password_accepted": ("The camera accepted the password.", "摄像机已接受密码。"),
        "camera.refused": ("The camera refused: {reason}.", "摄像机拒绝：{reason}。"),
        "camera.no_video": (
            "The camera offers no H.264 or H.265 picture at this address.",
            "摄像机在该地址上不提供 H.264 或 H.265 图像。",
        ),
        "camera.not_understood": (
            "The answer cannot be read ({reason}). Is the address that of a camera?",
            "应答无法解析（{reason}）。该地址是否为摄像机？",
        ),
        "camera.described": ("It offers {codec}.", "提供 {codec} 图像。"),
        "camera.is": ("It is a {maker} {model}, firmware {firmware}.", "设备为 {maker} {model}，固件 {firmware}。"),
        "camera.clock": (
            "Its clock is off by {skew_s} s; that is allowed for.",
            "其时钟偏差 {skew_s} 秒，已自动修正。",
        ),
        "camera.pictures": ("It has {count} pictures.", "共有 {count} 路图像。"),
        "camera.playing": ("It plays {codec} over {transport}.", "正以 {transport} 发送 {codec} 图像。"),
        "camera.media": ("The picture arrives.", "图像已到达。"),
        "camera.no_media": (
            "The camera says it plays, but nothing arrives over {transport}.",
            "摄像机表示已播放，但 {transport} 上没有收到数据。",
        ),
        "camera.other_transport": ("We ask over {transport} instead.", "改用 {transport} 请求。"),
        "camera.no_picture": (
            "The picture could not be opened: {reason}",
            "无法打开图像：{reason}",
        ),
        "camera.not_offered": ("The camera does not offer that ({service}).", "摄像机不提供该功能（{service}）。"),
        "camera.not_ready": (
            "The camera has not answered our first questions yet; its timeline says why.",
            "摄像机尚未完成首次接入，原因见其接入过程。",
        ),
        "camera.search_runs": (
            "A search of the net is under way; try again in a few seconds.",
            "正在搜索网络，请几秒后重试。",
        ),
        "camera.certificate_unknown": (
            "Nobody has accepted the camera's certificate yet. It shows {shown}. Compare it, then accept it here.",
            "摄像机证书尚未确认，当前指纹为 {shown}。请核对后在本页确认。",
        ),
        "camera.certificate_changed": (
            "The camera shows another certificate than the accepted one: {shown}. Nothing was sent to it. If the "
            "camera was reset or given a new certificate, accept it on this page; otherwise somebody is in between.",
            "摄像机出示的证书与已确认的不同：{shown}。未向其发送任何内容。若摄像机已重置或更换证书，请在本页重新确认；"
            "否则可能有人冒充该设备。",
        ),
        "camera.given_up": ("Nobody wanted the picture any more.", "已无人需要该图像。"),
    }
)
