"""
Errors that teach: what was found, the rule, where, and what would make it work.

Every error a user can cause derives from `BlockloomError`; the command line prints its message and exits with 2.
Anything else that escapes is a defect of ours and keeps its traceback.
"""


class BlockloomError(Exception):
    """Base of every error that input, options or hardware limits can cause."""


class InputError(BlockloomError):
    """A model, file, option or value given by the user cannot be used as it is."""


class CapacityError(BlockloomError):
    """A layer or a set of buffers does not fit; the message names the bytes, the limit and what would fit."""


class MissingWeightsError(BlockloomError):
    """The values of a blob are needed, but the weights file beside the module is absent or does not match."""
