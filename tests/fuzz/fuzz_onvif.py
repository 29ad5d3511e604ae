"""Fuzz target: answers of an ONVIF camera, notifications and probe matches included."""

import contextlib
from datetime import UTC, datetime

from tocsin.protocols.onvif import calls, discovery, events, imaging, recordings
from tocsin.protocols.onvif.soap import Fault, Unreadable, read_envelope

FROM, TO = datetime(2025, 12, 31, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
SEEDS: list[bytes] = [
    b'<E><Body><GetProfilesResponse><Profiles token="a"><Name>m</Name><VideoSourceConfiguration><SourceToken>v'
    b"</SourceToken></VideoSourceConfiguration><VideoEncoderConfiguration><Encoding>H264</Encoding><Resolution><Width>"
    b"640</Width><Height>360</Height></Resolution></VideoEncoderConfiguration></Profiles></GetProfilesResponse></Body></E>",
    b"<E><Body><R><NotificationMessage><Topic>tns1:VideoSource/MotionAlarm</Topic><Message><Message"
    b' UtcTime="2026-01-01T00:00:00Z" PropertyOperation="Changed"><Source><SimpleItem Name="Source" Value="v"/></Source>'  # noqa: E501
    b'<Data><SimpleItem Name="State" Value="true"/></Data></Message></Message></NotificationMessage></R></Body></E>',
    b"<E><Body><R><UTCDateTime><Time><Hour>1</Hour><Minute>2</Minute><Second>3</Second></Time><Date><Year>2026</Year>"
    b"<Month>1</Month><Day>2</Day></Date></UTCDateTime><SubscriptionReference><Address>http://h/s</Address>"
    b"<ReferenceParameters><x/></ReferenceParameters></SubscriptionReference></R></Body></E>",
    b"<E><Body><R><ImagingOptions><Brightness><Min>0</Min><Max>100</Max></Brightness><IrCutFilterModes>ON"
    b"</IrCutFilterModes><IrCutFilterModes>OFF</IrCutFilterModes></ImagingOptions><ImagingSettings><Brightness>1e400"
    b"</Brightness><WideDynamicRange><Mode>ON</Mode></WideDynamicRange></ImagingSettings></R></Body></E>",
    b"<E><Body><R><ResultList><SearchState>Searching</SearchState><RecordingInformation><RecordingToken>a</RecordingToken>"
    b"<Track><TrackToken>V</TrackToken><TrackType>Video</TrackType><DataFrom>2026-01-01T00:00:00Z</DataFrom><DataTo>"
    b"0001-01-01T00:00:00+14:00</DataTo></Track></RecordingInformation><Result><RecordingToken>a</RecordingToken>"
    b"<TrackToken>V</TrackToken><Time>2026-01-01T00:00:01Z</Time><Event>"
    b"<SimpleItem Name='IsDataPresent' Value='false'/></Event></Result></ResultList></R></Body></E>",
    b"<E><ProbeMatch><Scopes>onvif://www.onvif.org/name/%FF</Scopes><XAddrs>http://h/o</XAddrs></ProbeMatch></E>",
]


def run_one(data: bytes) -> None:
    """Take the bytes as every answer; only `Unreadable` may be raised."""
    with contextlib.suppress(Unreadable):
        discovery.read_matches(data, "10.0.0.1")
    with contextlib.suppress(Unreadable):
        answer = read_envelope(data)
        if isinstance(answer, Fault):
            _ = (answer.says, answer.is_about_credentials)
            return
        calls.read_time(answer)
        calls.read_services(answer)
        calls.streams_of(calls.read_profiles(answer), "v")
        calls.at_host(calls.read_uri(answer), "http://h:80/x")
        calls.read_presets(answer)
        calls.read_inputs(answer)
        presence = recordings.read_presence(answer).rows
        for one in recordings.of_source(recordings.read_recordings(answer).rows, "v", ["v"]):
            for begins, ends in recordings.spans_of(one, presence, FROM, TO):
                assert FROM <= begins < ends <= TO
        recordings.more_recordings(recordings.read_search(answer))
        imaging.can_move_focus(answer)
        imaging.read_options(answer)
        imaging.set_settings("v", imaging.read_settings(answer))
        found = events.read_subscription(answer)
        if found is not None:
            calls.at_host(found.address, "http://h:80/x")
        for notice in events.read_notices(answer):
            topic = events.meaning_of(notice.topic)
            if topic is not None and not events.is_about_people(notice.topic):
                events.state_of(topic, notice)
