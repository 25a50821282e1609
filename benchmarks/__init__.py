"""Time and accuracy of mixedscope beside those of other programs; see README.md."""
