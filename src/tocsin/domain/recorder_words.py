"""Why something was not recorded, why a file ends, and how a volume is, in words for people."""

from __future__ import annotations

from typing import Final

from tocsin.base.words import Words

WORDS: Final = Words(
    {
        "gap.source_lost": ("The camera sent nothing.", "摄像机没有传来图像。"),
        "gap.device_offline": ("The device was not connected.", "设备未在线。"),
        "gap.disk_full": ("The disk was full.", "磁盘已满。"),
        "gap.disk_slow": (
            "The disk was too slow for all cameras; this one gave way.",
            "磁盘速度不足，本路录像被让出。",
        ),
        "gap.disk_gone": ("The disk was missing or took nothing.", "磁盘丢失或无法写入。"),
        "gap.overload": ("The server did not keep up.", "服务器处理不及。"),
        "gap.planned": ("Not to be recorded by plan.", "按计划不录像。"),
        "gap.not_asked": ("The camera was not asked for its picture.", "未向摄像机请求图像。"),
        "gap.restart": ("The recorder was started again.", "录像服务重新启动。"),
        "gap.damaged": ("What was recorded cannot be read.", "录像文件损坏，无法读取。"),
        "gap.no_key": ("The camera sent no key picture to begin with.", "摄像机没有发送关键帧，无法开始录像。"),
        "segment_end.time": ("The next file began on time.", "按时长切换到下一文件。"),
        "segment_end.parameters": (
            "The camera changed its picture (size or coding).",
            "摄像机的分辨率或编码发生变化。",
        ),
        "segment_end.clock": ("The clock of the server was set.", "服务器时间被调整。"),
        "segment_end.restart": ("The camera began to send anew.", "摄像机重新开始发送。"),
        "segment_end.volume": ("The recording moved to another disk.", "录像转到其他磁盘。"),
        "segment_end.stopped": ("The recording was ended.", "录像已停止。"),
        "segment_end.event": ("The event was over.", "事件录像结束。"),
        "segment_end.long": (
            "The camera sent no key picture for a quarter of an hour.",
            "摄像机约一刻钟没有发送关键帧。",
        ),
        "segment_end.recovered": ("Made whole after the recorder had ended.", "录像服务中断后已修复。"),
        "volume.ok": ("The disk is well.", "磁盘正常。"),
        "volume.full": ("The disk is full. Nothing more is recorded on it.", "磁盘已满，不再写入录像。"),
        "volume.slow": (
            "The disk does not keep up. Less important cameras give way.",
            "磁盘速度不足，次要摄像机的录像会被让出。",
        ),
        "volume.read_only": ("The disk takes no writing.", "磁盘为只读，无法写入。"),
        "volume.gone": ("The disk is missing, or does not answer.", "磁盘丢失或没有响应。"),
        "volume.foreign": (
            "The folder belongs to another installation or another disk is mounted there.",
            "该目录属于其他系统，或挂载了另一块磁盘。",
        ),
    }
)
