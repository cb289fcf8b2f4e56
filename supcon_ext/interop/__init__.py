"""From and to other tools."""
