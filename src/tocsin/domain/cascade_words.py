"""What is wrong with an entry of an upper platform, and why it was not given something, in words for people."""

from __future__ import annotations

from typing import Final

from tocsin.base.words import Words

WORDS: Final = Words(
    {
        "cascade.id_form": ("{field} has 20 digits.", "{field} 为 20 位数字。"),
        "cascade.platform_id": (
            "{field} must name a platform: digits 11 to 13 are 200.",
            "{field} 须为平台编号：第 11 至 13 位为 200。",
        ),
        "cascade.domain_form": (
            "{field} is a domain, mostly the first ten digits of the id.",
            "{field} 填写域编码，一般为编号前 10 位。",
        ),
        "cascade.host_form": ("{field} is an address or a host name.", "{field} 填写 IP 地址或主机名。"),
        "cascade.same_id": (
            "The upper platform's id and ours must differ.",
            "上级平台编号不得与本级编号相同。",
        ),
        "cascade.taken": (
            "There is already an entry for this upper platform with this id of ours.",
            "该上级平台（相同本级编号）已存在。",
        ),
        "cascade.end_past": ("The agreement must end in the future.", "协议截止时间须晚于当前时间。"),
        "cascade.end_far": ("An agreement lasts at most 366 days.", "协议有效期最长 366 天。"),
        "cascade.agreement_missing": (
            "Sharing needs an agreement: owner, purpose and end are required.",
            "共享须有协议：责任单位、用途、截止时间均为必填。",
        ),
        "cascade.rights_form": ("{field} must be a list of: {choices}.", "{field} 只能包含：{choices}。"),
        "cascade.selection_form": (
            "A selection has a kind (node, place_class, camera) and a value.",
            "共享范围须注明类型（node、place_class、camera）和取值。",
        ),
        "cascade.selection_long": (
            "At most {limit} lines; choose a whole jurisdiction instead.",
            "最多 {limit} 条，请改选整个辖区。",
        ),
        "cascade.node_missing": ("This jurisdiction does not exist here.", "该辖区不存在。"),
        "cascade.exported_taken": (
            "Another camera has or had this id; it is free again on {free_on}.",
            "该编号正在或曾被其他摄像机使用，{free_on} 起方可再用。",
        ),
        "cascade.exported_own": ("This id is the platform's own.", "该编号为本平台编号。"),
        "cascade.not_shared": ("This camera is not shared with this upper platform.", "该摄像机未共享给该上级平台。"),
        "cascade.no_right": ("This upper platform has no right to do that.", "该上级平台无此权限。"),
        "cascade.not_active": ("Sharing with this upper platform is off.", "与该上级平台的共享未开启。"),
        "cascade.no_picture_open": (
            "A camera is moved only while its picture is open.",
            "须先调看图像，方可控制摄像机。",
        ),
        "cascade.camera_offline": ("The camera was off line.", "摄像机离线。"),
        "cascade.unknown_id": ("It asked for an id that is not in its catalogue.", "请求的编号不在其目录中。"),
        "cascade.no_recordings": (
            "This camera is no GB/T 28181 device: it shows live pictures, and its recordings cannot be asked for.",
            "该摄像机不是 GB/T 28181 设备，只能实时调看，无法查询或回放录像。",
        ),
        "cascade.bad_offer": ("Its request for a picture could not be read.", "无法解析其媒体请求。"),
        "cascade.bad_period": (
            "It asked for a period that is empty, or longer than {hours} hours.",
            "请求的时间段无效或超过 {hours} 小时。",
        ),
        "cascade.other_way": (
            "It asked by a way ({path}) that does not lead to this camera.",
            "其指定的路由（{path}）不通向该摄像机。",
        ),
        "cascade.loop": ("The picture came through this platform already.", "该图像已经过本平台（路由环路）。"),
        "cascade.no_carriers": (
            "Nothing that is shared reports positions that may be told.",
            "共享范围内没有可上报位置的车载等移动设备。",
        ),
        "cascade.held": ("Somebody here moves this camera.", "本级正在控制该摄像机。"),
    }
)
