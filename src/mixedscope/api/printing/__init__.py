"""Tables for people: what they hold, apart from the format in which they are written."""
