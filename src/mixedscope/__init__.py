"""mixedscope: see how a mixed model is fitted, and what it shrinks."""
