"""Fuzz target: what a camera uploads, and its word that it has."""

from tocsin.protocols.gb28181.manscdp import Document, parse_document
from tocsin.protocols.gb28181.snapshot import JPEG_START, picture_in, read_finished

SEEDS: list[bytes] = [
    b"\xff\xd8\xff\xe0picture\xff\xd9",
    b"--b\r\nContent-Disposition: form-data; filename=../x\r\n\r\n\xff\xd8\xff1\xff\xd9\r\n--b--\r\n",
    b"<Notify><CmdType>UploadSnapShotFinished</CmdType><SN>1</SN><DeviceID>1</DeviceID><SessionID>"
    + b"a" * 36
    + b"</SessionID><SnapShotList><SnapShotFileID>1</SnapShotFileID></SnapShotList></Notify>",
]


def run_one(data: bytes) -> None:
    """Read the bytes as an upload, as a form and as a document; the only failure is an unexpected exception."""
    for kind in ("image/jpeg", "multipart/form-data; boundary=b", "multipart/" + data[:80].decode("latin-1")):
        found = picture_in(data, kind)
        assert found is None or (found.startswith(JPEG_START) and found in data)
    document = parse_document(data)
    if isinstance(document, Document):
        read = read_finished(document)
        assert read is None or read[1] <= 10
