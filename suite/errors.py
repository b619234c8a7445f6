"""The one error that reaches a user as one sentence."""


class UserError(Exception):
    """Something the user can put right. The message names what was wrong, its value and what is
    allowed; the command prints it without a traceback and exits with code 2."""
