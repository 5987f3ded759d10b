"""How digits are grouped and where the point is, as the browser's language has it.

Amounts are written with two marks of ours in place of the separators, so that what several people see is made once; each page puts its own there.
Figures are of CLDR; a language that is not here gets those of English.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

GROUP: Final = "\ue000"
POINT: Final = "\ue001"
"""Of Unicode's private use: no text has them."""
NARROW: Final = "\u202f"
WIDE: Final = "\u00a0"
"""Blanks at which no line is broken."""


class Separators(NamedTuple):
    """Between groups of three digits, and before the decimals."""

    group: str
    point: str

    def put(self, text: str) -> str:
        """The text with them in the place of the marks."""
        return text.replace(GROUP, self.group).replace(POINT, self.point)


ENGLISH: Final = Separators(",", ".")
_DOTS: Final = Separators(".", ",")
_BLANKS: Final = Separators(WIDE, ",")
_SWISS: Final = Separators("’", ".")
BY_LANGUAGE: Final[Mapping[str, Separators]] = {
    **dict.fromkeys(("en", "ja", "zh", "ko", "th", "he", "es-mx", "es-us"), ENGLISH),
    **dict.fromkeys(("de", "es", "it", "nl", "pt", "da", "el", "ro", "hr", "sl", "id", "tr", "vi", "is", "ca"), _DOTS),
    **dict.fromkeys(("cs", "sk", "pl", "ru", "uk", "bg", "hu", "fi", "sv", "nb", "no", "et", "lv", "lt", "pt-pt"), _BLANKS),
    **dict.fromkeys(("de-ch", "it-ch"), _SWISS),
    "fr": Separators(NARROW, ","),
}


def marked(text: str) -> str:
    """A number as Python writes it, with our marks."""
    return text.replace(",", GROUP).replace(".", POINT)


def separators(accepted: str) -> Separators:
    """Of the language that somebody likes best (a header `Accept-Language`) among those that are here."""
    liked = []
    for place, each in enumerate(accepted.lower().split(",")):
        language, _, weight = each.strip().partition(";q=")
        try:
            liked.append((-float(weight or 1), place, language))
        except ValueError:
            continue
    for _, _, language in sorted(liked):
        for known in (language, language.partition("-")[0]):
            if known in BY_LANGUAGE:
                return BY_LANGUAGE[known]
    return ENGLISH
