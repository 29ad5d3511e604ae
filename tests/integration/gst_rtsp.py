"""An RTSP server of GStreamer, run by the distribution's Python: serves a file of H.264 at /t and says its port.

Arguments: file, user, password. With a user the stream asks for a digest.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

Gst.init(None)
server = GstRtspServer.RTSPServer.new()
server.set_address("127.0.0.1")
server.set_service("0")
factory = GstRtspServer.RTSPMediaFactory.new()
factory.set_launch(
    f"( filesrc location={sys.argv[1]} ! qtdemux ! h264parse config-interval=1 ! rtph264pay name=pay0 pt=96 )"
)
factory.set_shared(True)
if sys.argv[2]:
    auth = GstRtspServer.RTSPAuth.new()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken.new()
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(sys.argv[2], sys.argv[3], token)
    server.set_auth(auth)
    role = Gst.Structure.new_from_string(
        "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    )
    permissions = GstRtspServer.RTSPPermissions.new()
    permissions.add_role_from_structure(role)
    factory.set_permissions(permissions)
server.get_mount_points().add_factory("/t", factory)
server.attach(None)
sys.stdout.write(f"{server.get_bound_port()}\n")
sys.stdout.flush()
GLib.MainLoop().run()
