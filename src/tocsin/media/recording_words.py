"""What keeps a recording from being listed or played, in words for people."""

from __future__ import annotations

from typing import Final

from tocsin.base.words import Words

WORDS: Final = Words(
    {
        "recording.device_offline": (
            "The device is not connected, so it cannot be asked for its recordings.",
            "设备未在线，无法查询其录像。",
        ),
        "recording.unreachable": (
            "The device did not take the question. Its address may have changed.",
            "设备未接收查询请求，其地址可能已变化。",
        ),
        "recording.no_way": (
            "This camera keeps no recordings of its own that can be asked for.",
            "该摄像机自身没有可供调取的录像。",
        ),
        "recording.refused": ("The device refuses to list its recordings.", "设备拒绝列出录像。"),
        "recording.no_answer": (
            "The device took the question and sent no list. It may have no storage.",
            "设备接收了查询但没有返回列表，可能没有存储。",
        ),
        "recording.partial": (
            "Part of the list was lost on the way; what arrived is shown. Search again, or connect the device by TCP.",
            "列表在传输中有缺失，已显示收到的部分。请重新查询，或将设备改为 TCP 接入。",
        ),
        "recording.too_many": (
            "There are more recordings than can be listed at once. Choose a shorter period.",
            "录像数量超过一次可列出的上限，请缩短时间范围。",
        ),
        "recording.failed": ("The recordings could not be listed.", "未能列出录像。"),
        "recording.channel_not_in_use": ("This camera is not in use.", "该摄像机未启用。"),
        "recording.ended": ("The recording has come to its end.", "录像已播放完毕。"),
        "recording.silent": (
            "The device stopped sending before the end of the period: nothing more may be recorded there.",
            "设备在该时段结束前停止发送，其后可能没有录像。",
        ),
        "recording.ended_by_device": ("The device ended the playback.", "设备结束了回放。"),
        "recording.connection_lost": (
            "The media connection to the device broke. Play on from here.",
            "与设备的媒体连接中断，可从此处继续播放。",
        ),
        "recording.steer_unanswered": (
            "The device did not answer. Play on as it is, or open it again at another time.",
            "设备没有应答。可继续播放，或从其他时间重新打开。",
        ),
        "recording.steer_refused": (
            "The device refuses this. Not every device can do it.",
            "设备拒绝了该操作，部分设备不支持。",
        ),
        "recording.not_playing": ("The recording is not playing yet, or no longer.", "录像尚未开始播放或已经结束。"),
        "download.camera_busy": (
            "This camera is sending a download already. One at a time from each camera: wait, or cancel it.",
            "该摄像机正在下载录像，每台摄像机同一时间只能下载一段。请等待完成或先取消。",
        ),
        "download.being_taken": ("The file is being saved at this moment.", "该文件正在保存中。"),
        "download.handed_over": (
            "The file was saved already and is no longer kept here. Fetch the period again if it is needed.",
            "文件已保存，平台不再留存。如仍需要，请重新下载该时段。",
        ),
        "download.busy": (
            "As many downloads as allowed are running. Wait for one to end.",
            "正在进行的下载已达上限，请稍候。",
        ),
        "download.disk_reserve": (
            "The disk of the server is nearly full. Delete downloads, or ask the administrator.",
            "服务器磁盘空间不足。请删除已下载的录像或联系管理员。",
        ),
        "download.disk": ("The file could not be written.", "文件写入失败。"),
        "download.too_large": ("The file would be too large. Choose a shorter period.", "文件过大，请缩短时间范围。"),
        "download.codec_changed": (
            "The device changed its video format in the middle. Fetch the parts one by one.",
            "设备中途改变了视频编码，请分段下载。",
        ),
        "download.nothing": ("The device sent no picture of this period.", "设备没有发送该时段的图像。"),
        "download.failed": ("The download failed.", "下载失败。"),
        "download.interrupted": (
            "The server was restarted in the middle. Start the download again.",
            "下载过程中服务器重启，请重新下载。",
        ),
        "download.expired": ("Its time was over; the file was deleted.", "保存期已到，文件已删除。"),
        "download.no_file": ("There is no file to take.", "没有可取用的文件。"),
        "recording.too_many_open": (
            "Too many recordings are open at the moment. Close one.",
            "当前打开的回放过多，请先关闭一个。",
        ),
    }
)
