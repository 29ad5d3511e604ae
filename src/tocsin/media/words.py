"""What keeps a picture from showing, in words for people. Keys are the `reason` of a stream's state."""

from __future__ import annotations

from typing import Final

from tocsin.base.words import Words

WORDS: Final = Words(
    {
        "open_timeout": ("The device did not start to send in time.", "设备未在规定时间内开始发送图像。"),
        "worker_lost": (
            "The picture worker ended and is started again; the picture comes back by itself.",
            "图像进程已退出并正在重启，图像将自动恢复。",
        ),
        "silence": ("The device stopped sending; it is asked again.", "设备停止发送图像，正在重新请求。"),
        "connection_closed": (
            "The device closed the media connection; it is asked again.",
            "设备断开了媒体连接，正在重新请求。",
        ),
        "codec_unsupported": (
            "The device sends a video format that cannot be shown. Set it to H.264 or H.265.",
            "设备的视频编码无法显示，请改为 H.264 或 H.265。",
        ),
        "not_program_stream": (
            "What the device sends is not a PS stream. Set its stream type to PS.",
            "设备发送的不是 PS 流，请将码流封装改为 PS。",
        ),
        "stream_encrypted": (
            "The device encrypts its picture. Switch stream encryption (the verification code) off in the device.",
            "设备对码流进行了加密，无法显示。请在设备上关闭码流加密（验证码）。",
        ),
        "desync": (
            "The device's media connection loses bytes again and again; it is asked anew.",
            "设备的媒体连接反复丢失字节，正在重新请求。",
        ),
        "no_sub_stream": (
            "This camera has no sub stream; its main stream is shown.",
            "该摄像机没有子码流，现显示主码流。",
        ),
        "sub_silent": (
            "The camera sent nothing for its sub stream; its main stream is shown.",
            "摄像机的子码流没有数据，现显示主码流。",
        ),
        "sub_ignored": (
            "This camera sends its main stream whatever is asked for; that one is shown.",
            "该摄像机不响应码流选择，始终发送主码流，现显示主码流。",
        ),
        "sub_not_playable": (
            "This browser cannot show the H.265 sub stream; the main stream is shown.",
            "本浏览器不能显示 H.265 子码流，现显示主码流。",
        ),
        "main_not_playable": (
            "This browser cannot show the H.265 main stream; the sub stream is shown.",
            "本浏览器不能显示 H.265 主码流，现显示子码流。",
        ),
        "waiting_for_key": ("Waiting for the next key frame.", "正在等待下一个关键帧。"),
        "transcode_limit": (
            "This browser cannot show H.265, and as many cameras as allowed are being converted already.",
            "本浏览器不能显示 H.265，且转码路数已达上限。",
        ),
        "transcode_missing": (
            "This browser cannot show H.265, and the program that converts it (ffmpeg) is not installed.",
            "本浏览器不能显示 H.265，且未安装转码程序（ffmpeg）。",
        ),
        "media_worker_lost": (
            "The picture worker has just ended and is started again. Try once more.",
            "图像进程刚刚退出，正在重启，请重试。",
        ),
        "media_worker_silent": ("The picture worker does not answer at the moment.", "图像进程暂时没有响应。"),
        "media_ports_exhausted": (
            "No media port is free. Widen media.rtp_ports.",
            "没有空闲的媒体端口，请扩大 media.rtp_ports 的范围。",
        ),
        "media_connect_failed": (
            "The device does not accept the media connection it offered.",
            "无法连接设备提供的媒体端口。",
        ),
        "media_closed": ("The receiver was closed meanwhile.", "接收端口已被关闭。"),
        "media_no_key_picture": (
            "The stream has sent no key frame for a minute.",
            "码流一分钟内没有发送关键帧。",
        ),
        "media_not_found": ("There is no such receiver.", "没有该接收端口。"),
        "media_ssrc_taken": (
            "Two cameras were given the same stream number. It is tried again with another.",
            "两路摄像机的流编号冲突，将换用新编号重试。",
        ),
        "media_invalid": ("The media worker refused the request.", "图像进程拒绝了该请求。"),
        "media_rtsp_unreachable": (
            "The camera cannot be reached at its address. Check address, port, and that it has power.",
            "无法连接摄像机，请检查地址、端口和供电。",
        ),
        "media_rtsp_silent": ("The camera took the connection but did not answer.", "摄像机已建立连接但没有应答。"),
        "media_rtsp_bad_url": (
            "The address must begin with rtsp:// or rtsps:// and name a host.",
            "地址须以 rtsp:// 或 rtsps:// 开头并包含主机。",
        ),
        "media_rtsp_certificate": (
            "The camera shows another certificate than the one that was accepted. Nothing was sent to it.",
            "摄像机出示的证书与已确认的证书不同，未向其发送任何内容。",
        ),
        "media_rtsp_bad_answer": ("What the camera answers is not RTSP.", "摄像机的应答不是 RTSP。"),
        "media_rtsp_no_video": (
            "The camera offers no H.264 or H.265 picture here. Set its stream to one of them.",
            "摄像机在该地址上不提供 H.264 或 H.265 图像，请修改其编码设置。",
        ),
        "media_rtsp_wrong_password": (
            "The camera refused the user name or password. It was tried once and is not tried again until you press.",
            "摄像机拒绝了用户名或密码。只尝试了一次，您点击之前不会再试。",
        ),
        "media_rtsp_password_missing": (
            "The camera asks for a user name and a password.",
            "摄像机要求用户名和密码。",
        ),
        "media_rtsp_forbidden": ("This user may not see the picture of the camera.", "该用户无权查看摄像机图像。"),
        "media_rtsp_not_found": (
            "There is no stream at this address of the camera. Check the part after the host.",
            "摄像机的该地址下没有码流，请检查主机名之后的路径。",
        ),
        "media_rtsp_busy": ("The camera serves as many viewers as it can.", "摄像机的访问路数已满。"),
        "media_rtsp_transport": ("The camera sends neither over TCP nor over UDP.", "摄像机不支持 TCP 和 UDP 传输。"),
        "media_rtsp_not_recorded": ("The camera has no recording of that time.", "摄像机没有该时段的录像。"),
        "media_rtsp_no_replay": (
            "The camera does not replay recordings the way ONVIF asks for.",
            "摄像机不支持 ONVIF 规定的录像回放方式。",
        ),
        "media_rtsp_refused": ("The camera refused to send its picture.", "摄像机拒绝发送图像。"),
        "rtsp_session_lost": (
            "The camera ended the session; it is asked again.",
            "摄像机结束了会话，正在重新请求。",
        ),
        "media_unavailable": ("The media port could not be opened.", "无法打开媒体端口。"),
        "media_external_down": (
            "The media server does not answer; it is asked again. Its state is in the log.",
            "流媒体服务器无应答，正在重试，详情见日志。",
        ),
        "media_external_answer": (
            "The media server's answer cannot be understood. Check media.external_url.",
            "无法识别流媒体服务器的应答，请检查 media.external_url。",
        ),
        "media_external_refused": ("The media server refused the request.", "流媒体服务器拒绝了请求。"),
        "media_external_secret": (
            "The media server does not accept the secret. Check media.external_secret.",
            "流媒体服务器密钥不正确，请检查 media.external_secret。",
        ),
        "media_external_hooks": (
            "The media server would show pictures without asking Tocsin, so none is opened. Set its hooks.",
            "流媒体服务器未配置播放鉴权回调，为防止未经许可的观看，不打开图像。请配置其回调地址。",
        ),
        "media_external_unsupported": (
            "The external media server is not used for this; with media.relay = own Tocsin does it itself.",
            "外部流媒体服务器不支持此功能；将 media.relay 设为 own 后由警钟自身完成。",
        ),
    }
)
