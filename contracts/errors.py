"""Errors of the pricing language.

TaximeterError                 (message says what, where and what to do)
 ├─ DocumentError              a document was refused; nothing of it was applied
 └─ ActionError                an action on an invoice was refused
"""


class TaximeterError(Exception):
    """Base of every error that a person can meet."""


class DocumentError(TaximeterError):
    """A catalogue, contract or case was refused as a whole.

    `problems` has one line each: `FILE:LINE: KEY.PATH: what is wrong, and what is allowed`.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class ActionError(TaximeterError):
    """An action on an invoice (void, regenerate, finalize) was refused; nothing has changed."""
