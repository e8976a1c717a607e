"""Which language texts seem to be in: by their script, and within Latin, Cyrillic and Arabic script by common words.

A list of the commonest words of a language is enough for a table of texts, which has thousands of words. It is not
enough for a single sentence, and is not used for one.
"""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice

_COMMON = {
    "English": "the and of to in is that it was for with you this are not have be my",
    "German": "der die und das ist nicht ich ein zu den mit sich auf eine es im dem von",
    "French": "le la les et est des un une je pas que pour dans en il sur qui vous",
    "Spanish": "el la los de que y en un una no es por con para se las lo del",
    "Portuguese": "o a os de que e em um uma não é por com para se as do da",
    "Italian": "il la di che e un una non è per con sono le in i del della mi",
    "Dutch": "de het een en van ik is dat niet in je op te zijn met voor die maar",
    "Swedish": "och att det som är en på jag för inte med den har av ett till om",
    "Danish": "og at det er en jeg på ikke til med den af for har der som et de",
    "Norwegian": "og det er en jeg på ikke til med den av for har som et å vi du",
    "Finnish": "ja on ei se että oli mutta hän ovat kun niin olen mitä tämä sen myös joka",
    "Polish": "i w nie to się na z jest że do jak co o ale po tak za od",
    "Czech": "a je se v na to že s z jsem do jak ale po tak za by jsou",
    "Romanian": "și de la în nu este că cu o pe un mai sunt pentru din am se ce",
    "Hungarian": "a az és hogy nem is egy de van ez meg csak volt már el mint ha",
    "Turkish": "bir ve bu çok için de da ne ben o mi ile daha gibi ama var değil kadar",
    "Indonesian": "yang dan di ini itu tidak dengan untuk saya dari ada akan ke bisa sudah juga pada adalah",
    "Vietnamese": "là và không của có cho một này tôi được với các những trong người đã rất thì",
    "Russian": "и в не на я что он с это как по но у все за так от мне",
    "Ukrainian": "і в не на я що з це як до та у за але є від для ми",
    "Bulgarian": "и на да се не е за от в с съм си като по но ще са това",
    "Arabic": "في من على أن لا ما هذا إلى كان مع هو التي ان عن كل يا هذه بعد",
    "Persian": "و در به از که این را با است برای آن یک هم خود من تا بود می",
    "Urdu": "کے کی ہے میں کا سے کو اور نے پر نہیں ہیں یہ بھی کہ اس تھا ایک",
}
_WORDS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_SCRIPTS = (
    ("Japanese", "\u3040-\u30ff"),
    ("Korean", "\uac00-\ud7af\u1100-\u11ff"),
    ("Chinese", "\u4e00-\u9fff\u3400-\u4dbf"),
    ("Thai", "\u0e00-\u0e7f"),
    ("Greek", "\u0370-\u03ff"),
    ("Hebrew", "\u0590-\u05ff"),
    ("Hindi", "\u0900-\u097f"),
    ("Bengali", "\u0980-\u09ff"),
    ("Tamil", "\u0b80-\u0bff"),
    ("Telugu", "\u0c00-\u0c7f"),
    ("Georgian", "\u10a0-\u10ff"),
    ("Armenian", "\u0530-\u058f"),
)
"""Scripts that nearly one language alone has, each with its characters."""
_MOST_TEXTS, _MOST_CHARACTERS, _FEWEST_WORDS = 500, 500, 50
_LEAST_SHARE = 0.06
"""The commonest eighteen words are a fifth to a third of a language's running text, and less of short messages."""
_LEAST_LEAD = 1.25
"""So many times as often as those of the next language the words of the first must stand."""
_LEAST_OF_SCRIPT = 0.3
_LEAST_KANA = 0.1


def guess_language(texts: Iterable[str]) -> str | None:
    """Return the English name of the language that most of the texts seem to be in, None when that is in doubt.

    >>> guess_language(["Das ist nicht gut, und es war auch nicht billig."] * 5)
    'German'
    """
    sample = " ".join(text[:_MOST_CHARACTERS] for text in islice(texts, _MOST_TEXTS)).lower()
    letters = len(re.findall(r"[^\W\d_]", sample))
    of_script = {name: len(re.findall(f"[{span}]", sample)) for name, span in _SCRIPTS}
    if letters and of_script["Japanese"] > _LEAST_KANA * letters:
        return "Japanese"  # its texts hold more Chinese characters than kana, or as many
    likeliest = max(of_script, key=lambda name: of_script[name])
    if letters and of_script[likeliest] > _LEAST_OF_SCRIPT * letters:
        return likeliest
    words = Counter(re.findall(r"[^\W\d_]+", sample))
    total = words.total()
    if total < _FEWEST_WORDS:
        return None
    counts = {language: sum(words[word] for word in common) for language, common in _WORDS.items()}
    first, second = sorted(counts, key=lambda language: -counts[language])[:2]
    is_clear = counts[first] >= _LEAST_SHARE * total and counts[first] >= _LEAST_LEAD * counts[second]
    return first if is_clear else None
