"""What is said of pictures that are none, in words for people. Keys `image.*` are faults of a channel."""

from __future__ import annotations

from typing import Final

from tocsin.base.words import Words

FAULT_WORDS: Final = Words(
    {
        "image.no_signal": (
            "It shows a slate instead of a scene: no camera is connected to this input, or it is dead.",
            "画面为“无信号”底图：该输入未接摄像机，或摄像机已损坏。",
        ),
        "image.black": ("The picture is black.", "画面全黑。"),
        "image.dark": (
            "The picture is far darker than usual at this hour. Look at light, iris and exposure.",
            "画面明显比同时段偏暗。请检查照明、光圈和曝光设置。",
        ),
        "image.covered": ("The lens is covered.", "镜头被遮挡。"),
        "image.bright": (
            "Large parts of the picture are over-exposed. Look at iris, exposure or a lamp before it.",
            "画面大面积过曝。请检查光圈、曝光设置或镜头前的光源。",
        ),
        "image.stripes": (
            "Stripes run through the picture. Look at the sensor, the cable and its ground.",
            "画面有条纹干扰。请检查传感器、线缆及接地。",
        ),
        "image.part_cover": ("A part of the lens is covered.", "镜头部分被遮挡。"),
        "image.blur": ("The picture is blurred. Clean the lens, then focus it.", "画面模糊。请清洁镜头后重新对焦。"),
        "image.noise": ("The picture is noisy. Look at light and gain.", "画面噪点严重。请检查照明和增益。"),
        "image.cast": ("The colours are wrong. Look at white balance and sensor.", "画面偏色。请检查白平衡和传感器。"),
        "image.moved": (
            "The camera looks elsewhere than it used to. Turn it back, or take the new view as its reference.",
            "摄像机朝向已改变。请转回原位，或将当前画面设为新的基准。",
        ),
        "image.not_home": (
            "The camera is not back at its usual position.",
            "云台摄像机未回到常用位置。",
        ),
        "image.frozen": (
            "The picture stands still to the last grain. Restart the camera or its encoder.",
            "画面冻结。请重启摄像机或编码器。",
        ),
        "image.clock": (
            "The clock of its stream is off by {offset_s} s. Switch on time synchronisation (NTP) in the camera.",
            "码流时间偏差 {offset_s} 秒。请在摄像机上启用校时（NTP）。",
        ),
    }
)

WORDS: Final = Words(
    {
        "picture.no_extra": (
            "Pictures are not examined: the server was installed without the part that decodes them (tocsin[picture]).",
            "未检查画面：服务器未安装画面解码组件（tocsin[picture]）。",
        ),
        "picture.elsewhere": (
            "Pictures are not examined: they are served by another media server.",
            "未检查画面：图像由外部流媒体服务器提供。",
        ),
        "picture.off": (
            "Pictures are not examined: picture_health.every_minutes is 0.",
            "未检查画面：picture_health.every_minutes 设为 0。",
        ),
        "picture.not_decodable": (
            "The last key frame could not be decoded.",
            "最近的关键帧无法解码。",
        ),
        "picture.not_kept": (
            "The reference or the still could not be written. Look at the disk of the server.",
            "基准或截图无法写入，请检查服务器磁盘。",
        ),
        "picture.worker_hung": (
            "The process that decodes pictures did not answer at this camera's picture and was started again.",
            "解码进程处理该画面时无响应，已重启。",
        ),
        "picture.worker_ended": (
            "The process that decodes pictures ended at this camera's picture and was started again.",
            "解码进程处理该画面时退出，已重启。",
        ),
        "picture.steered": (
            "Somebody steers this camera now, or did within five minutes: it is not examined.",
            "摄像机正在被控制，或五分钟内曾被控制，暂不检查。",
        ),
        "picture.not_in_service": (
            "Only cameras in service, with an owner, a place and a purpose, are examined.",
            "仅检查已启用且填写了责任单位、位置和用途的摄像机。",
        ),
        "picture.too_soon": (
            "This device was opened for a check within ten minutes. Try again later.",
            "该设备十分钟内已为检查打开过，请稍后再试。",
        ),
        "picture.no_such_fault": ("This fault is not open any more.", "该故障已关闭。"),
        "picture.site": (
            "{count} of {all} cameras here began to look wrong at the same time: weather or power suspected.",
            "此处 {all} 台摄像机中有 {count} 台同时画面异常，可能是天气或供电原因。",
        ),
    }
)
