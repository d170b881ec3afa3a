"""What the server does at this moment, and what it has done since the last one."""
