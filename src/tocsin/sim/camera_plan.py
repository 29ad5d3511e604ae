"""What a simulated camera is and what it did: its plan with the oddities of the field, and its report."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tocsin.protocols.gb28181.catalog import CatalogItem
from tocsin.protocols.gb28181.recordings import Recording
from tocsin.protocols.gb28181.stream_choice import ALL_LINES
from tocsin.protocols.gb28181.tries import StreamLine


class Quirk(StrEnum):
    """An oddity of the field the camera imitates."""

    LENGTH_IN_CHARACTERS = "length_in_characters"
    LENGTH_ZERO = "length_zero"
    UTF8_LABELLED_GB2312 = "utf8_labelled_gb2312"
    MISSING_SN = "missing_sn"
    BARE_AMPERSAND = "bare_ampersand"
    RAW_LESS_THAN = "raw_less_than"
    SPLIT_DATAGRAM = "split_datagram"
    WRONG_CONTACT = "wrong_contact"
    LINE_FEEDS_ONLY = "line_feeds_only"
    LOST_PAGE = "lost_page"
    LOST_PAGE_ONCE = "lost_page_once"
    DUPLICATE_PAGE = "duplicate_page"
    NO_CATALOG = "no_catalog"
    IGNORES_TCP_MEDIA = "ignores_tcp_media"
    REFUSES_TCP_MEDIA = "refuses_tcp_media"
    OTHER_SSRC = "other_ssrc"
    NO_SSRC = "no_ssrc"
    NO_SETUP = "no_setup"
    NO_SDP = "no_sdp"
    NO_MEDIA = "no_media"
    BUSY = "busy"
    SILENT_TO_INVITE = "silent_to_invite"
    REPEATED_OK = "repeated_ok"
    SILENT_TO_CONTROL = "silent_to_control"
    REFUSES_CONTROL = "refuses_control"
    NO_CONTROL_RESPONSE = "no_control_response"
    FAILS_CONTROL = "fails_control"
    LOSES_FIRST_STOP = "loses_first_stop"
    REFUSES_SUBSCRIBE = "refuses_subscribe"
    SILENT_TO_SUBSCRIBE = "silent_to_subscribe"
    FORGETS_SUBSCRIPTION = "forgets_subscription"
    EMPTY_FIRST_NOTIFY = "empty_first_notify"
    NOTIFY_OUTSIDE_DIALOG = "notify_outside_dialog"
    UPLOADS_FEWER = "uploads_fewer"
    UPLOADS_NOTHING = "uploads_nothing"
    UPLOADS_TOO_MUCH = "uploads_too_much"
    UPLOADS_ELSEWHERE = "uploads_elsewhere"
    ONE_CONFIG_A_QUESTION = "one_config_a_question"
    OTHER_CONFIG_NAME = "other_config_name"
    REFUSES_STATE_QUERY = "refuses_state_query"
    SILENT_TO_STATE_QUERY = "silent_to_state_query"
    FAILS_UPGRADE = "fails_upgrade"
    NEVER_TELLS_UPGRADE = "never_tells_upgrade"
    CLOCK_IS_UTC = "clock_is_utc"
    NO_SUBSCRIPTION_STATE = "no_subscription_state"
    CHANNEL_OFF_BY_MISTAKE = "channel_off_by_mistake"
    ALARM_BOTH_WAYS = "alarm_both_ways"
    ALARM_LOWER_CASE_INFO = "alarm_lower_case_info"
    ALARM_LOOSE_TIME = "alarm_loose_time"
    ALARM_NO_METHOD = "alarm_no_method"
    NEEDS_RESET = "needs_reset"
    NEEDS_GUARD = "needs_guard"
    REFUSES_ALARM_COMMAND = "refuses_alarm_command"
    SILENT_TO_ALARM_COMMAND = "silent_to_alarm_command"
    EMPTY_BODY = "empty_body"
    LARGE_PAGES_LOST = "large_pages_lost"
    NEVER_REPEATS_PAGES = "never_repeats_pages"
    SN_ZERO = "sn_zero"
    SN_NULL = "sn_null"
    WRONG_TOTAL = "wrong_total"
    PARENT_IS_SERVER = "parent_is_server"
    NEEDS_WIDE_OFFER = "needs_wide_offer"
    NEEDS_CHANNEL_ORIGIN = "needs_channel_origin"
    NEEDS_BARE_OFFER = "needs_bare_offer"
    NEEDS_DEVICE_TARGET = "needs_device_target"
    DROPS_DATE = "drops_date"
    DROPS_MILLISECONDS = "drops_milliseconds"
    KEEPS_OLD_STREAM = "keeps_old_stream"
    PRIVATE_STREAM = "private_stream"
    STRANGE_HEADERS = "strange_headers"
    KEEPS_SENDING = "keeps_sending"
    CHANNELS_STAY_ON = "channels_stay_on"
    LOSES_PACKETS = "loses_packets"
    TORN_TCP_FRAMES = "torn_tcp_frames"
    JUMPING_TIMES = "jumping_times"
    STANDING_TIMES = "standing_times"
    TIMES_IN_8_KHZ = "times_in_8_khz"
    ROTATING_SSRC = "rotating_ssrc"
    ENCRYPTED_STREAM = "encrypted_stream"
    NEEDS_KIND_3 = "needs_kind_3"

    NO_RECORD_LIST = "no_record_list"
    CAPPED_RECORD_LIST = "capped_record_list"
    RECORD_TOTAL_ABSENT = "record_total_absent"
    RECORD_TOTAL_ZERO = "record_total_zero"
    SILENT_TO_STEERING = "silent_to_steering"
    REFUSES_STEERING = "refuses_steering"
    EMPTY_STEERING_ANSWER = "empty_steering_answer"
    RESTAMPS_PLAYBACK = "restamps_playback"
    NO_FILE_SIZE = "no_file_size"
    NEVER_TELLS_END = "never_tells_end"
    TELLS_END_OF_EACH_FILE = "tells_end_of_each_file"
    TELLS_END_UNDER_OTHER_NAME = "tells_end_under_other_name"
    TELLS_END_OUTSIDE_CALL = "tells_end_outside_call"
    IGNORES_STREAM_CHOICE = "ignores_stream_choice"
    REFUSES_SUB_STREAM = "refuses_sub_stream"
    REFUSES_VENDOR_LINES = "refuses_vendor_lines"
    SILENT_SUB_STREAM = "silent_sub_stream"


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """One simulated device. `page_items` channels go into each catalogue page, `page_window` pages wait for answers.

    With `written_after_s` it goes on recording: the last file of each channel reaches up to so long ago.
    """

    gb_id: str
    password: str = field(repr=False)
    server_id: str = "34020000002000000001"
    realm: str = "3402000000"
    username: str = ""
    channels: tuple[CatalogItem, ...] = ()
    recordings: tuple[Recording, ...] = ()
    keepalive_s: float = 60.0
    expires_s: int = 3600
    version: str = "2.0"
    user_agent: str = "TocsinSim/1.0"
    page_items: int = 2
    page_window: int = 1
    quirks: frozenset[Quirk] = frozenset()
    media_ip: str = ""
    written_after_s: float | None = None
    stream_lines: tuple[StreamLine, ...] = ALL_LINES


@dataclass(slots=True)
class CameraReport:
    """What a camera did, for the last line of the command."""

    registrations: int = 0
    redirects: int = 0
    refusals: int = 0
    last_status: int = 0
    keepalives_sent: int = 0
    keepalives_answered: int = 0
    keepalives_refused: int = 0
    catalogs: int = 0
    pages: int = 0
    invites: int = 0
    byes: int = 0
    cancels: int = 0
    key_frame_requests: int = 0
    controls: int = 0
    bad_controls: int = 0
    reboots: int = 0
    subscriptions: int = 0
    alarms_sent: int = 0
    alarms_answered: int = 0
    alarms_confirmed: int = 0
    alarms_withheld: int = 0
    resets: int = 0
    guards: int = 0
    date: str = ""
    granted_s: int = 0
    register_ms: list[float] = field(default_factory=list)
    keepalive_ms: list[float] = field(default_factory=list)
    record_queries: int = 0
    recordings_sent: int = 0
    ends_told: int = 0
    steerings: list[str] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    targets: list[tuple[int, int]] = field(default_factory=list)  # port and stream number of each call
