"""GB/T 28181: identifiers, MANSCDP documents, catalogues, registration rules, keepalives. Pure: no I/O, no clock."""
