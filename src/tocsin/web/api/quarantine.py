"""Why a signal was kept aside, in words."""

from __future__ import annotations

from tocsin.base.words import Words

WORDS = Words(
    {
        "unknown_account": (
            "No device is registered under this account. It was acknowledged and kept.",
            "没有登记该账号的设备。信号已应答并保存。",
        ),
        "unknown_device": (
            "The device it came from is not registered. It was acknowledged and kept.",
            "发送信号的设备未登记。信号已应答并保存。",
        ),
        "retired_device": ("The device it came from is retired.", "发送信号的设备已停用。"),
        "unknown_code": ("Its event code is in none of our tables.", "事件代码不在已知代码表中。"),
        "unknown_qualifier": ("Its event qualifier is in none of our tables.", "事件限定符不在已知代码表中。"),
        "undecoded": (
            "Its protocol token is kept raw: what it says was not read.",
            "该协议标识仅原样保存，内容未解析。",
        ),
        "no_key": ("It is encrypted, and no key is set for this account.", "报文已加密，但该账号未设置密钥。"),
        "key_mismatch": ("It could not be read with the key set for this account.", "用该账号的密钥无法解密。"),
        "security.downgrade": (
            "A key is set for this account, but the message was not encrypted.",
            "该账号已设置密钥，但报文未加密。",
        ),
        "unreadable": ("The message could not be read.", "报文无法解析。"),
        "unknown_receiver_event": (
            "The receiver reported something about itself that is in none of our tables.",
            "接收机上报了自身的未知状态。",
        ),
        "clock_out_of_window": ("Its time stamp is outside the allowed window.", "报文时间超出允许范围。"),
    }
)
