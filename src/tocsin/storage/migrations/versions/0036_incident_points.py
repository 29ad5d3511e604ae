"""Where incidents of terminals are; places and cameras found by where they stand."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "incident_points",
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False, comment="the terminal whose button was pressed"),
        sa.Column("heard_at_us", sa.BigInteger(), nullable=False, comment="when its newest report came"),
        sa.Column("has_fix", sa.Boolean(), nullable=False, comment="whether that report had a position"),
        sa.Column("fix_at_us", sa.BigInteger(), comment="of the newest position"),
        sa.Column("lon_e6", sa.Integer(), comment="degrees x 1e6, WGS-84"),
        sa.Column("lat_e6", sa.Integer()),
        sa.Column("speed_dkmh", sa.Integer(), nullable=False, comment="0.1 km/h"),
        sa.Column("heading_deg", sa.Integer(), nullable=False),
        sa.Column("pressed_lon_e6", sa.Integer(), comment="where it was pressed, which chooses the cameras"),
        sa.Column("pressed_lat_e6", sa.Integer()),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_incident_points")),
        comment="where an incident is as its terminal says: where it was pressed and where it is, nothing between",
    )
    op.create_index("ix_incident_points_device", "incident_points", ["device_id"], unique=False)
    op.create_index("ix_places_lat", "places", ["lat"], unique=False)
    op.create_index("ix_channels_lat", "channels", ["lat"], unique=False)
