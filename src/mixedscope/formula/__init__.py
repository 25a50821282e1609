"""The formula language and safe expressions: text to a tree, to terms."""
