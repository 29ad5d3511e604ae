"""ONVIF's words: envelopes from strangers, tokens, profiles, addresses, topics, discovery."""

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha1

import pytest

from tocsin.protocols.onvif import calls, discovery, events, imaging
from tocsin.protocols.onvif.soap import Fault, Unreadable, envelope, read_envelope, text, username_token
from tocsin.sim.onvif_camera import BOMB
from tocsin.sim.onvif_imaging import SimImaging


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (BOMB, "document_type"),
        (b"\x89PNG", "not_xml"),
        (b"<a/>", "no_envelope"),
        (b"<Envelope><Body/></Envelope>", "empty"),
        (b" " * (1 << 20) + b"<a/>", "too_large"),
        (b"<a>" * 100_000, "not_xml"),
    ],
)
def test_what_is_no_envelope_is_named(data, reason):
    with pytest.raises(Unreadable) as wrong:
        read_envelope(data)
    assert wrong.value.reason == reason


def test_a_token_proves_the_password_without_showing_it():
    token = username_token("a&b", "secret", b"0123456789abcdef", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    proof = b64encode(sha1(b"0123456789abcdef2026-01-02T03:04:05.000Zsecret").digest()).decode()
    assert proof in token
    assert "secret" not in token
    assert text(read_envelope(envelope("<tds:X><tt:Y>1</tt:Y></tds:X>", security=token)), "Y") == "1"


@pytest.mark.parametrize(
    "body",
    [
        b"<E><Body><Fault><Code><Value>s:Sender</Value><Subcode><Value>ter:NotAuthorized</Value></Subcode></Code>"
        b"</Fault></Body></E>",
        b"<E><Body><Fault><faultcode>x:FailedAuthentication</faultcode><faultstring>no</faultstring></Fault></Body></E>",
        b"<E><Body><Fault><Code><Value>s:Sender</Value></Code><Reason><Text>Sender not Authorized</Text></Reason>"
        b"</Fault></Body></E>",
    ],
)
def test_a_refusal_of_credentials_is_known_however_it_is_said(body):
    fault = read_envelope(body)
    assert isinstance(fault, Fault)
    assert fault.is_about_credentials


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://10.1.1.1/onvif/media", "http://cam:8000/onvif/media"),
        ("/onvif/media", "http://cam:8000/onvif/media"),
        ("http://[", ""),
    ],
)
def test_addresses_are_taken_at_the_host_people_entered(address, url):
    assert calls.at_host(address, "http://cam:8000/onvif/device_service") == url


def test_a_stream_keeps_its_port_and_must_be_rtsp():
    device = "http://cam:8000/x"
    assert calls.at_host("rtsp://10.1.1.1:554/a?b=1", device, scheme="rtsp") == "rtsp://cam:554/a?b=1"
    assert calls.at_host("http://10.1.1.1/a", device, scheme="rtsp") == ""


def test_main_and_sub_are_the_largest_and_the_smallest():
    big, small = calls.Profile("1", source="v", encoding="H265", width=1920), calls.Profile("2", source="v", width=640)
    assert calls.streams_of([big, small], "v") == (big, small)
    assert calls.streams_of([big], "v") == (big, None)
    assert calls.streams_of([], "v") == (None, None)


@pytest.mark.parametrize(
    "topic",
    [
        "RuleEngine/FaceDetector/Face",
        "RuleEngine/Recognition/LicensePlate",
        "RuleEngine/LoiteringDetector/ObjectIsLoitering",
        "RuleEngine/CountAggregation/Counter",
        "RuleEngine/ObjectTrack/Aggregation",
        "Analytics/PersonDetector",
        "UserAlarm/HumanShape",
        "RuleEngine/VehicleDetector",
    ],
)
def test_topics_about_people_are_dropped(topic):
    assert events.is_about_people(tuple(topic.split("/")))


@pytest.mark.parametrize("topic", sorted(events.TOPICS))
def test_no_topic_we_take_is_about_people(topic):
    assert not events.is_about_people(topic)
    assert events.meaning_of((*topic, "ImagingService")) is events.TOPICS[topic]


def test_a_camera_that_answers_a_probe_is_read():
    answer = (
        b"<E><B><ProbeMatches><ProbeMatch><Scopes>onvif://www.onvif.org/name/Gate%20A onvif://www.onvif.org/hardware/X1"
        b"</Scopes><XAddrs>http://169.254.1.1/onvif http://10.0.0.9/onvif</XAddrs></ProbeMatch></ProbeMatches></B></E>"
    )
    assert discovery.read_matches(answer, "10.0.0.9") == [discovery.Found("http://10.0.0.9/onvif", "Gate A", "X1")]
    with pytest.raises(Unreadable):
        discovery.read_matches(BOMB, "10.0.0.9")
    assert b"NetworkVideoTransmitter" in discovery.probe("1")


def test_settings_are_read_within_what_the_camera_offers():
    sim = SimImaging(("Brightness", "IrCutFilter", "WideDynamicRange"))
    options = imaging.read_options(_body(sim.options()))
    assert options == {
        "brightness": imaging.Option(0, 100),
        "wdr_level": imaging.Option(0, 100),
        "ir_cut": imaging.Option(choices=("on", "off", "auto")),
        "wdr": imaging.Option(choices=("on", "off")),
    }
    assert imaging.read_settings(_body(sim.settings())) == {
        "brightness": 50,
        "wdr_level": 50,
        "ir_cut": "auto",
        "wdr": "off",
    }


def test_a_request_names_only_what_is_set_in_the_order_of_the_schema():
    asked = imaging.set_settings("V<1", {"wdr_level": 70, "wdr": "on", "brightness": 12.5, "exposure": "manual"})
    for sent in ("<tt:Brightness>12.5</tt:Brightness><tt:Exposure><tt:Mode>MANUAL</tt:Mode></tt:Exposure>", "V&lt;1"):
        assert sent in asked
    wide = "<tt:WideDynamicRange><tt:Mode>ON</tt:Mode><tt:Level>70</tt:Level></tt:WideDynamicRange>"
    assert f"</tt:Exposure>{wide}</timg:ImagingSettings>" in asked
    with pytest.raises(ValueError, match="shutter"):
        imaging.set_settings("v", {"shutter": 1})


@pytest.mark.parametrize("word", ["1e400", "nan", "much", "", "9" * 400])
def test_a_number_that_is_none_is_left_out(word):
    body = f"<R><ImagingOptions><Brightness><Min>{word}</Min><Max>9</Max></Brightness></ImagingOptions></R>"
    assert imaging.read_options(_body(body)) == {}
    settings = f"<R><ImagingSettings><Brightness>{word}</Brightness></ImagingSettings></R>"
    assert imaging.read_settings(_body(settings)) == {}


def _body(inner):
    return read_envelope(envelope(inner))
