"""Names that vulture must not call dead: used by a framework, not by a call."""
