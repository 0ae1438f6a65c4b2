"""GPS decoding: NMEA sentences and UBX messages to one Fix per epoch. Sans-I/O."""
