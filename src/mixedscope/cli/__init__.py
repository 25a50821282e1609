"""The command `mixedscope`: a project of one's own, a quick look at data, what is installed.

It reads arguments with the standard library's argparse: three commands need no library, and one
would be installed for everybody. Its errors are those of the package, each one message.
"""
