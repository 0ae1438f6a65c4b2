"""stagelog on a Raspberry Pi's processor, emulated: its Debian, its package, its instructions, whole machines."""
