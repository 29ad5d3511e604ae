"""SIP for surveillance: messages, digest, transactions, dialogs and SDP. Pure: no sockets, clock or logging."""
