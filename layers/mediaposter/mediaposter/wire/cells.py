"""Interpret the cells that spreadsheets write.

Excel and LibreOffice save a cell as shown, in the user's language and number format. Google Sheets and Numbers mostly
do so too (support.microsoft.com, "Save a workbook in another file format": text and values "as they are displayed").
"""

from __future__ import annotations

import re
from types import MappingProxyType

# Invisible characters: text copied from a web page brings zero-width characters and direction marks along.
_UNSEEN = "".join(
    [
        *(chr(code) for code in range(0x21)),
        *(chr(code) for code in range(0x7F, 0xA1)),
        "\u00ad\u061c\u1680\u180e",
        *(chr(code) for code in range(0x2000, 0x2010)),
        *(chr(code) for code in range(0x2028, 0x2030)),
        "\u205f",
        *(chr(code) for code in range(0x2060, 0x2070)),
        "\u3000\ufeff",
    ]
)

# Excel's localized names, and LibreOffice's where they differ (support.microsoft.com, "ERROR.TYPE function";
# LibreOffice's translations). The last English ones are Google Sheets'.
_FORMULA_ERRORS_BY_LANGUAGE = {
    "English": (
        "#NULL! #DIV/0! #VALUE! #REF! #NAME? #NAME! #NUM! #N/A #GETTING_DATA #SPILL! #CALC! #FIELD! #BLOCKED! "
        "#UNKNOWN! #CONNECT! #BUSY! #EXTERNAL! #PYTHON! #TIMEOUT! #MACRO? #ADDIN? #ERROR! #CYCLE!"
    ),
    "German": (
        "#WERT! #BEZUG! #ZAHL! #NV #ÜBERLAUF! #KALK! #FELD! #BLOCKIERT! #UNBEKANNT! #VERBINDEN! #DATEN_ABRUFEN "
        "#DATEN_ABRUFEN! #MAKRO? #PLUG-IN?"
    ),
    "French": (
        "#NUL! #VALEUR! #RÉF! #NOM? #NOM! #NOMBRE! #N/D #EPARS! #PROPAGATION! #CHAMP! #BLOQUE! #INCONNU! "
        "#OBTENTION_DONNEES"
    ),
    "Spanish": (
        "#¡NULO! #¡DIV/0! #¡VALOR! #¡REF! #¿NOMBRE? #¡NOMBRE! #¡NUM! #¡DESBORDAMIENTO! #DESBORDAMIENTO! #¡CALC! "
        "#CAMPO! #BLOQUEADO! #DESCONOCIDO! #CONECTAR! #OBTENIENDO_DATOS #¿MACRO? #¿COMPL?"
    ),
    "Italian": "#NULLO! #VALORE! #RIF! #NOME? #NOME! #ESPANSIONE!",
    "Portuguese": "#NULO! #VALOR! #NÚM! #N/DISP #DESPEJAR! #CÁLC!",
    "Dutch": "#LEEG! #DEEL/0! #DELING.DOOR.0! #WAARDE! #VERW! #NAAM? #NAAM! #GETAL! #N/B #OVERLOOP!",
    "Swedish": "#SKÄRNING! #DIVISION/0! #VÄRDEFEL! #VÄRDE! #REFERENS! #NAMN? #NAMN! #OGILTIGT! #SAKNAS! #SAKNAS",
    "Danish and Norwegian": "#VÆRDI! #REFERENCE! #NAVN? #NAVN! #I/T #VERDI! #OVERFLYT!",
    "Finnish": ("#TYHJÄ! #JAKO/0! #ARVO! #VIITTAUS! #NIMI? #NIMI! #LUKU! #PUUTTUU #PUUTTUU! #LEVITTYMINEN! #LISÄOSA?"),
    "Polish": "#ZERO! #DZIEL/0! #ARG! #ADR! #NAZWA? #NAZWA! #LICZBA! #N/D! #ROZLANIE! #DODATEK?",
    "Czech and Slovak": (
        "#DĚLENÍ_NULOU! #HODNOTA! #ODKAZ! #NÁZEV? #ČÍSLO! #NENÍ_K_DISPOZICI #NEPLATNÝ! #DELENIENULOU! #NÁZOV? "
        "#NEDOSTUPNÝ"
    ),
    "Hungarian": "#NULLA! #ZÉRÓOSZTÓ! #ÉRTÉK! #HIV! #NÉV? #NÉV! #SZÁM! #HIÁNYZIK #KIBONTÁS! #MAKRÓ? #BŐVÍTŐMODUL?",
    "Turkish": "#BOŞ! #SAYI/0! #BÖLÜ/0! #DEĞER! #BAŞV! #AD? #SAYI! #YOK #TAŞMA!",
    "Russian and Ukrainian": (
        "#ПУСТО! #ДЕЛ/0! #ЗНАЧ! #ССЫЛКА! #ССЫЛ! #ИМЯ? #ИМЯ! #ЧИСЛО! #Н/Д #ПЕРЕНОС! #МАКРОС? "  # noqa: RUF001
        "#ЗНАЧЕННЯ! #ПОСИЛ! #НАЗВА? #НАЗВА!"  # noqa: RUF001
    ),
    "Greek": "#ΚΕΝΟ! #ΔΙΑΙΡ./0! #ΤΙΜΗ! #ΑΝΑΦ! #ΟΝΟΜΑ? #ΑΡΙΘ! #Δ/Υ #ΜΑΚΡΟ?",  # noqa: RUF001
    "Romanian": "#VALOARE! #NUME? #NUME!",
    "Croatian and Slovenian": (
        "#DIJ/0! #VRIJ! #VRIJEDNOST! #NAZIV? #NULA! #BROJ! #NIČ! #DEL/0! #VREDN! #SKLIC! #IME? #ŠTEV! #N/V"
    ),
}
_FORMULA_ERRORS = frozenset(name for names in _FORMULA_ERRORS_BY_LANGUAGE.values() for name in names.split())
# LibreOffice numbers its other errors (help.libreoffice.org, "Error Codes in LibreOffice Calc").
_NUMBERED_ERROR = re.compile(
    "(Err|Fehler|Erro|Fout|Fel|Fejl|Feil|Virhe|Błąd|Chyba|Hiba|Hata|Greška|Nap|Eroare|Ошибка|Помилка|Гр|Σφάλμα|エラー|오류|错误)"
    ":[0-9]{3}"
)
# Google Sheets shows this until a formula has a result.
_UNFINISHED = frozenset(
    (
        "Loading...",
        "Wird geladen...",
        "Chargement...",
        "Cargando...",
        "Caricamento...",
        "Carregando...",
        "A carregar...",
        "Laden...",
    )
)
_SHOWN_MAX_CHARACTERS = 24

# Excel writes them in the user's language: the words for true, and those for false.
_FLAG_WORDS = (
    ("TRUE", "FALSE"),
    ("WAHR", "FALSCH"),
    ("VRAI", "FAUX"),
    ("VERDADERO", "FALSO"),
    ("VERDADEIRO", "FALSO"),
    ("VERO", "FALSO"),
    ("WAAR", "ONWAAR"),
    ("SANT", "FALSKT"),
    ("SAND", "FALSK"),
    ("SANN", "USANN"),
    ("TOSI", "EPÄTOSI"),
    ("PRAWDA", "FAŁSZ"),
    ("PRAVDA", "NEPRAVDA"),
    ("IGAZ", "HAMIS"),
    ("DOĞRU", "YANLIŞ"),
    ("ИСТИНА", "ЛОЖЬ"),
)
_FLAGS = MappingProxyType({**{word: True for word, _ in _FLAG_WORDS}, **{word: False for _, word in _FLAG_WORDS}})

_WITH_ZEROS = re.compile(r"([0-9]+)[.,](0+)")
_SCIENTIFIC = re.compile(r"([0-9])(?:[.,]([0-9]+))?[Ee]\+([0-9]{1,3})")
_THOUSANDS_DIGITS = 3
# The digits that Excel and a double keep of a number (support.microsoft.com, "Excel specifications and limits").
_PRECISION_DIGITS = 15

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
    r"(?P<offset>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)


def trim(text: str) -> str:
    """Strip invisible characters, such as a no-break space, from both ends of a text."""
    return text.strip(_UNSEEN)


def refuse_failed_formula(text: str) -> str:
    """Refuse a cell that shows a spreadsheet error instead of a value; a text that only mentions the error is fine.

    Raises:
        ValueError: names the error that the sheet shows.
    """
    shown = trim(text)
    if shown.startswith("#"):
        # French puts a space before the mark.
        if len(shown) <= _SHOWN_MAX_CHARACTERS and "".join(shown.split()) in _FORMULA_ERRORS:
            raise _refuse_failed(shown)
        if len(shown) > 1 and not shown.strip("#"):
            raise ValueError(f"the sheet shows {_show(shown)} there, as the column is too narrow for what is in it")
    elif len(shown) <= _SHOWN_MAX_CHARACTERS:
        if shown[-3:].isdecimal() and _NUMBERED_ERROR.fullmatch("".join(shown.split())):
            raise _refuse_failed(shown)
        if shown.replace("\u2026", "...") in _UNFINISHED:
            raise ValueError(f"the sheet shows {shown} there, a formula that was still being calculated")
    return text


def _refuse_failed(shown: str) -> ValueError:
    return ValueError(f"the sheet shows {shown} there, a formula that failed")


def read_whole_number(text: str) -> str:
    """Return the digits of a whole number, even if a sheet wrote it as 807.0, 8,00 or 8.07E+2.

    Any other text is returned unchanged: the field decides whether it is valid.

    Raises:
        ValueError: the sheet lost some of its digits, or it is ambiguous.
    """
    text = trim(text)
    if with_zeros := _WITH_ZEROS.fullmatch(text):
        digits, zeros = with_zeros.groups()
        if len(zeros) == _THOUSANDS_DIGITS:
            raise ValueError(
                f"{_show(text)} is one number with a decimal point, and another with a thousands separator"
            )
    elif scientific := _SCIENTIFIC.fullmatch(text):
        first, rest, exponent = scientific[1], scientific[2] or "", int(scientific[3])
        if len(rest) < exponent:
            raise _lose_digits(text)
        if rest[exponent:].strip("0"):
            return text
        digits = first + rest[:exponent]
    else:
        return text
    if len(digits) > _PRECISION_DIGITS:
        raise _lose_digits(text)
    return digits


def _lose_digits(text: str) -> ValueError:
    return ValueError(
        f"the sheet shows {_show(text)}, which has lost digits of the number; format the column as text, and write the "
        "number again"
    )


def _show(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX_CHARACTERS else f"{text[:_SHOWN_MAX_CHARACTERS]}…"


def read_flag(text: str) -> bool:
    """Read true or false, as people and spreadsheets write them.

    Raises:
        ValueError: it is neither.
    """
    flag = _FLAGS.get(trim(text).upper())
    if flag is None:
        raise ValueError("must be true or false")
    return flag


def read_moment(text: str) -> str:
    """Return a date and time with its offset (RFC 3339); the error for anything else says what to write.

    Raises:
        ValueError: it is not such a time.
    """
    text = trim(text)
    moment = _MOMENT.fullmatch(text)
    if moment is None:
        raise ValueError(
            "must be a date and time with its offset, as 2026-12-24T18:00:00Z; the sheet may have written a date in a "
            "format of its own: format the column as text, and write the time again"
        )
    if moment["offset"] is None:
        raise ValueError("has no offset from UTC: end it with Z or with one such as +01:00, as in 2026-12-24T18:00:00Z")
    return text
