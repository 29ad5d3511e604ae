"""ONVIF, profiles S and T: the dozen calls a control room needs, over an own small SOAP. Pure."""
