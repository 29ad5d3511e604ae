"""Rules between signals and alarms: versions, states of devices, what rules did, proposed repairs."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "repair_proposals",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False, comment="chatter | swinger | runaway"),
        sa.Column("rule_id", sa.String(length=36), nullable=False),
        sa.Column("version_no", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.Column("zone", sa.String(length=64), nullable=False, comment="empty: the device itself"),
        sa.Column("opened_at_us", sa.BigInteger(), nullable=False),
        sa.Column("last_at_us", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False, comment="how often it was seen since"),
        sa.Column("state", sa.String(length=12), nullable=False, comment="open | accepted | dismissed"),
        sa.Column("decided_at_us", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repair_proposals")),
        comment="detectors and panels that should be repaired, as rules propose and people decide",
    )
    op.create_index("ix_repair_proposals_open", "repair_proposals", ["state", "device_id"], unique=False)
    op.create_table(
        "rule_acts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("rule_id", sa.String(length=36), nullable=False),
        sa.Column("version_no", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column(
            "what",
            sa.String(length=12),
            nullable=False,
            comment="held | raised | cancelled | single | grouped | logged | lowered | confirmed",
        ),
        sa.Column("signal_id", sa.String(length=36), nullable=False),
        sa.Column("event_no", sa.Integer(), nullable=False, comment="place of the event in its signal, from 0"),
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("label_en", sa.Text(), nullable=False),
        sa.Column("label_zh", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False, comment="as sent"),
        sa.Column("raised_priority", sa.Integer(), nullable=False, comment="of the alarm; 0: as sent"),
        sa.Column("cause", sa.String(length=64), nullable=False, comment="zone that confirmed, user who cancelled"),
        sa.Column("received_at_us", sa.BigInteger(), nullable=False),
        sa.Column("acted_at_us", sa.BigInteger(), nullable=False, comment="when the rule acted"),
        sa.Column("until_us", sa.BigInteger(), nullable=True, comment="until when it holds or hides"),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True, comment="when a held event went on"),
        sa.Column("alarm_id", sa.String(length=36), nullable=True, comment="the alarm it became, or is grouped under"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_acts")),
        comment="what rules did to events: nothing that is held or hidden is without its row",
    )
    op.create_index("ix_rule_acts_alarm", "rule_acts", ["alarm_id"], unique=False)
    op.create_index("ix_rule_acts_device", "rule_acts", ["device_id", "id"], unique=False)
    op.create_index(
        "ix_rule_acts_held",
        "rule_acts",
        ["until_us"],
        unique=False,
        sqlite_where=sa.text("what = 'held'"),
        postgresql_where=sa.text("what = 'held'"),
    )
    op.create_index("ix_rule_acts_scope", "rule_acts", ["jurisdiction_code", "id"], unique=False)
    op.create_index("ix_rule_acts_signal", "rule_acts", ["signal_id"], unique=False)
    op.create_table(
        "rule_states",
        sa.Column("device_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="JSON: what the rules remember of the device"),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_rule_states")),
        comment="areas set, trips, alarms that wait: what the rules need to go on after a restart",
    )
    op.create_table(
        "rules",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column(
            "method",
            sa.String(length=16),
            nullable=False,
            comment="cancel_window | two_trip | cross_zone | sequential | ...",
        ),
        sa.Column("version_no", sa.Integer(), nullable=False, comment="the version that counts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rules")),
        comment="rules between signals and alarms; what they say is in rule_versions",
    )
    op.create_table(
        "rule_versions",
        sa.Column("rule_id", sa.String(length=36), nullable=False),
        sa.Column("version_no", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "jurisdiction_code",
            sa.String(length=12),
            nullable=False,
            comment="division code of the owner; scope by range",
        ),
        sa.Column("device_id", sa.String(length=36), nullable=False, comment="empty: every device of the area"),
        sa.Column("zone", sa.String(length=64), nullable=False, comment="zone number; empty: every zone"),
        sa.Column("knobs", sa.Text(), nullable=False, comment="JSON: {name: whole number}"),
        sa.Column("pairs", sa.Text(), nullable=False, comment="JSON: [[zone, zone]]"),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("is_exempt", sa.Boolean(), nullable=False, comment="takes its place out of a wider rule"),
        sa.Column("owner", sa.Text(), nullable=False, comment="who answers for it"),
        sa.Column("until_us", sa.BigInteger(), nullable=False, comment="it counts until then"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why this version was made"),
        sa.Column("made_at_us", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["rule_id"], ["rules.id"], name=op.f("fk_rule_versions_rule_id")),
        sa.PrimaryKeyConstraint("rule_id", "version_no", name=op.f("pk_rule_versions")),
        comment="versions are never changed; each act of a rule names the one it followed",
    )
