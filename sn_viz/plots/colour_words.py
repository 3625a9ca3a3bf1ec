"""Classes that are called after a colour are drawn in it: "red" red, "orange" orange.

Takes class names in a few languages; returns the name of a colour, or None. It knows nothing of figures.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

SHADES: dict[str, tuple[str, str]] = {
    "red": ("#c62828", "#ff6b6b"),
    "orange": ("#c95800", "#ff9248"),
    "yellow": ("#8f7a00", "#f2d43d"),
    "green": ("#2e7d32", "#5fce6a"),
    "cyan": ("#00808c", "#4dd0e1"),
    "blue": ("#1f5fd0", "#6ea8ff"),
    "purple": ("#8e24aa", "#d58cf0"),
    "pink": ("#d1477f", "#ff9ac1"),
    "brown": ("#7b4a1e", "#c99367"),
    "black": ("#1a1a1a", "#7d7d7d"),
    "grey": ("#6b6b6b", "#ababab"),
    "white": ("#949494", "#ffffff"),
}
"""How each colour is drawn on a light and on a dark page, as light as reads there: white is a pale grey on white."""

_WORDS = {
    "red": ("red rot rote roter rotes rouge rojo roja rosso rossa vermelho vermelha rood красный 红 红色 紅 赤 赤い 빨강"),
    "orange": ("orange arancione naranja anaranjado laranja oranje оранжевый 橙 橙色 オレンジ 주황"),
    "yellow": (
        "yellow gelb gelbe gelber gelbes jaune amarillo amarilla giallo gialla amarelo amarela geel "
        "желтый жёлтый 黄 黄色 黄色い 노랑"
    ),
    "green": ("green grün grüne grüner grünes vert verte verde groen зеленый зелёный 绿 绿色 綠 緑 초록"),
    "cyan": ("cyan teal turquoise türkis turquesa turchese turkoois 青色"),
    "blue": ("blue navy blau blaue blauer blaues bleu bleue azul blu blauw синий голубой 蓝 蓝色 藍 青 青い 파랑"),
    "purple": ("purple violet lila violett violette viola morado púrpura roxo paars фиолетовый 紫 紫色 보라"),
    "pink": ("pink rosa rose roze розовый 粉 粉色 粉红 ピンク 분홍"),
    "brown": ("brown braun braune brauner braunes brun brune marron marrón marrone castanho bruin коричневый 棕 棕色 茶色 갈색"),
    "black": (
        "black schwarz schwarze schwarzer schwarzes noir noire negro negra nero nera preto preta zwart "
        "черный чёрный 黑 黑色 黒 黒い 검정"
    ),
    "grey": ("grey gray silver grau graue grauer graues gris grigio grigia cinza grijs серый 灰 灰色 회색"),
    "white": (
        "white weiß weiss weiße weißer weißes blanc blanche blanco blanca bianco bianca branco branca wit белый 白 白色 白い 하양"
    ),
}
_COLOUR_OF = {word.casefold(): colour for colour, words in _WORDS.items() for word in words.split()}
_NEGATIONS = frozenset(
    "no not non none without nor other kein keine nicht ohne pas sans sin sem senza geen niet не нет 不 非 无".split()
)


def colour_named(name: str) -> str | None:
    """Return the colour that ``name`` names, a key of ``SHADES``; None when it names none, several, or denies one.

    Examples
    --------
    >>> colour_named("Red car"), colour_named("not red"), colour_named("red and blue"), colour_named("redwood")
    ('red', None, None, None)
    """
    words = [word for word in re.split(r"[\W\d_]+", unicodedata.normalize("NFC", name).casefold()) if word]
    found = {_COLOUR_OF[word] for word in words if word in _COLOUR_OF}
    return found.pop() if len(found) == 1 and not _NEGATIONS & set(words) else None


def colours_named(names: Sequence[str]) -> list[str | None]:
    """Return the colour that each class is called after; None too where several classes share it."""
    found = [colour_named(name) for name in names]
    count = Counter(found)
    return [colour if count[colour] == 1 else None for colour in found]
