"""SIP door intercoms: what a call asks for, sound, session timers, tones, pings, text alarms. Pure."""
