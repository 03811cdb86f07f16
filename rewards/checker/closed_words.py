"""Words behind a number that change it, in many languages: multipliers, and all that makes an answer no plain quantity.

Nouns are an open class, and an unknown one is taken for a unit. Multipliers, comparisons, negations, operators,
conjunctions, conditions and number names are closed classes, so they can be listed: multipliers are read, and an answer
with one of the others is refused. Languages: English, those of MGSM (Spanish, French, German, Russian, Chinese,
Japanese, Thai, Swahili, Bengali, Telugu), and their neighbours where a word is common.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["MONEY_MULTIPLIERS", "folded", "has_closed_word", "has_negation", "leading_multiplier", "multiplier"]


def folded(word: str) -> str:
    """`word` in lower case, without the accents of Latin and Cyrillic letters: ``Millón`` as ``millon``."""
    if word.isascii():
        return word.lower()
    return unicodedata.normalize("NFKC", re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFKD", word.lower())))


def _words(text: str) -> frozenset[str]:
    return frozenset(map(folded, text.split()))


_POWERS_OF_TEN = {
    1: "tens decena decenas dizaine dizaines decina decine zehner десяток десятка десятки десятков",
    2: (
        "hundred hundreds hundert hunderte centaine centaines cien ciento cientos centena centenas centenar "
        "centenares cento centinaio centinaia honderd hundra hundre сто сотня сотни сотен ratus tram শত শো వంద "
        "వందలు వందల"
    ),
    3: (
        "thousand thousands thous k tausend tausende tsd mille mila millier milliers mil millar millares migliaio "
        "migliaia duizend tusen tysiac tysiace tysiecy тысяча тысячи тысяч тысячу тыс тис тисяч тисяча тисячі ribu "
        "nghin ngan elfu maelfu hazar হাজার వెయ్యి వేలు వేల"
    ),
    4: "myriad myriads",
    5: "lakh lakhs lac lacs laki লাখ লক্ষ లక్ష లక్షలు లక్షల",
    6: (
        "million millions mio mln mn millionen milione milioni millon millones milhao milhoes miljoen miljon "
        "miljoner milion miliony milionow миллион миллиона миллионов млн мільйон мільйонів juta trieu মিলিয়ন "
        "మిలియన్ మిలియన్లు"
    ),
    7: "crore crores karor কোটি కోటి కోట్లు కోట్ల",
    9: (
        "billion billions bn bil bln mrd milliarde milliarden milliard milliards miliardo miliardi miljard "
        "miljarder miliard miliardy miliardow bilhao bilhoes миллиард миллиарда миллиардов млрд мільярд мільярдів "
        "milyar bilioni বিলিয়ন బిలియన్"
    ),
    12: "trillion trillions tn trn trln billionen billon billones трлн триллион триллиона триллионов",
}
_COUNTS = {
    "12": (
        "dozen dozens doz dutzend douzaine douzaines docena docenas dozzina dozzine dozijn dussin duzia duzias "
        "дюжина дюжины дюжин dazeni lusin ডজন డజను డజన్లు"
    ),
    "20": "score vingtaine vingtaines",
    "144": "gross",
}
_MULTIPLIERS = {word: f"10^{exponent}" for exponent, words in _POWERS_OF_TEN.items() for word in _words(words)} | {
    word: count for count, words in _COUNTS.items() for word in _words(words)
}
_JOINED = {
    "十": 1, "百": 2, "千": 3, "仟": 3, "万": 4, "萬": 4, "亿": 8, "億": 8, "兆": 12, "십": 1, "백": 2,
    "천": 3, "만": 4, "억": 8, "สิบ": 1, "ร้อย": 2, "พัน": 3, "หมื่น": 4, "แสน": 5, "ล้าน": 6,
}  # fmt: skip
_JOINED_FACTORS = {word: f"10^{exponent}" for word, exponent in _JOINED.items()} | {
    "打": "12",
    "ダース": "12",
    "โหล": "12",
}
MONEY_MULTIPLIERS = {"k": "10^3", "K": "10^3", "m": "10^6", "M": "10^6", "b": "10^9", "B": "10^9", "T": "10^12"}
"""Letters that multiply an amount of money: ``\\$5M``."""

_NEGATIONS = _words(
    "not isnt arent dont doesnt cannot cant no none never nobody wrong incorrect false invalid undefined "
    "unknown indeterminate unclear impossible nicht kein keine keiner niemals nie falsch unmoglich ne pas jamais "
    "faux nunca jamas falso imposible incorrecto нет не никогда неверно невозможно неправильно hapana sio si না নয় "
    "নেই కాదు లేదు"
)
_DENIALS = frozenset("不非错錯误誤未无無没沒否")
_CLOSED = _words(
    # or, and, neither; is
    "or and nor either neither oder und weder ou et ni o u y e oppure og och eller dan atau va hoac na au ama или и "
    "либо ни або বা অথবা এবং ও లేదా మరియు is are was were "
    # perhaps, about
    "maybe perhaps possibly probably likely presumably unlikely about approximately approx roughly around nearly "
    "almost ish vielleicht etwa ungefahr circa ca rund environ quizas quiza aproximadamente aprox casi возможно "
    "около примерно labda takriban karibu প্রায় సుమారు "
    # more, less, at least, between
    "than least most at between below above over under exceeding max maximum minimum upto upwards onward onwards "
    "inclusive exclusive through until till to versus vs mindestens hochstens wenigstens weniger bis uber unter "
    "zwischen moins plus que minimo maximo menos mas hasta entre desde больше меньше более менее минимум максимум "
    "до от между свыше angalau zaidi chini অন্তত কম বেশি কমপক্ষে కనీసం ఎక్కువ తక్కువ "
    # operators
    "minus divided multiplied mod modulo modulus choose chooses factorial factorials base root rooted squared cubed "
    "halved doubled tripled trebled quadrupled quintupled quartered negated inverted reversed incremented "
    "decremented increased decreased reduced raised lowered subtracted added rounded floored truncated "
    "exponentiated permute doubling halving squaring cubing remainder quotient rest reste resto остаток half halves "
    "quarter quarters log ln sin cos tan exp sqrt pi infinity infinite negative positive permille promille ppm ppb "
    "bps basis double twice thrice triple halb halbe halbes halfte doppelt verdoppelt halbiert quadrat quadriert "
    "wurzel fakultat hoch geteilt moitie demi carre racine doble mitad cuadrado raiz dividido elevado пополам вдвое "
    "половина квадрат корень факториал inverse reciprocal opposite exponent power mia mill "
    # conditions
    "but except if when whenever where while unless otherwise else provided assuming given instead answer wenn "
    "falls sonst aber sauf sinon mais excepto salvo pero sino если кроме иначе но ikiwa lakini যদি కానీ"
)
_PARTS = _words(
    "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth "
    "seventeenth eighteenth nineteenth twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth "
    "ninetieth hundredth thousandth millionth billionth trillionth"
)
_NUMBER_NAMES = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety null eins zwei drei vier "
    "funf sechs sieben acht neun zehn elf zwolf zwanzig deux trois quatre cinq sept huit neuf dix onze douze vingt "
    "uno dos tres cuatro cinco seis siete ocho nueve diez once doce veinte один два три четыре пять шесть семь "
    "восемь девять десять moja mbili tatu nne tano sita saba nane tisa kumi এক দুই তিন চার পাঁচ ছয় সাত আট নয় দশ "
    "ఒకటి రెండు మూడు నాలుగు ఐదు ఆరు ఏడు ఎనిమిది తొమ్మిది పది"
)
_REFUSED = (
    _NEGATIONS | _CLOSED | _NUMBER_NAMES | frozenset(part + end for part in _PARTS for end in ("", "s"))
) - _MULTIPLIERS.keys()
_REFUSED_SIGNS = re.compile(  # of scripts without blanks between words
    r"^[折成割多余餘几幾来零一二三四五六七八九两兩]|点[零一二三四五六七八九两]"
    r"|[不或错錯非约約和与與及除乘减減加误誤未无無没沒否假超至到若]"
    r"|以[上下内內外]|左右|上下|之间|之間|大于|小于|少于|多于|分之|(?:平方|立方)(?![米厘分毫千公里英尺寸])|次方"
    r"|阶乘|階乘|相反|倒数"
    r"|程度|くらい|ぐらい|ほど|または|ない|이상|이하|미만|초과|정도|또는|아니"
    r"|หรือ|และ|ไม่|มากกว่า|น้อยกว่า|อย่าง|ขึ้นไป|ประมาณ|ถ้า|แต่|หนึ่ง|สอง|สาม|สี่|ห้า|หก|เจ็ด|แปด|เก้า"
)
_LETTERS = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f\u0900-\u0dff\u0e00-\u0e7f])*")


def multiplier(word: str) -> str | None:
    """The factor that a word stands for, as an expression: ``10^6`` for ``millions``; ``None`` for any other word."""
    return _MULTIPLIERS.get(folded(word.rstrip(".")))


def leading_multiplier(phrase: str) -> tuple[str, str]:
    """The factor that a phrase without blanks begins with, and the rest: ``百万人`` as ``10^2`` and ``万人``; ``""``
    and the phrase itself where it begins with none.
    """
    word = next((word for word in _JOINED_FACTORS if phrase.startswith(word)), "")
    return (_JOINED_FACTORS[word], phrase[len(word) :]) if word else ("", phrase)


def has_closed_word(phrase: str) -> bool:
    """Whether a phrase holds a comparison, negation, operator, conjunction, condition or number name."""
    return _holds(phrase, _REFUSED) or (not phrase.isascii() and _REFUSED_SIGNS.search(phrase) is not None)


def has_negation(phrase: str) -> bool:
    """Whether a phrase denies something: ``not``, ``wrong``, ``impossible``, ``keine``, ``不``."""
    return _holds(phrase, _NEGATIONS) or (not phrase.isascii() and not _DENIALS.isdisjoint(phrase))


def _holds(phrase: str, words: frozenset[str]) -> bool:
    if phrase.isascii():
        return not words.isdisjoint(re.findall(r"[a-z]+", phrase.lower().replace("'", "")))
    return not words.isdisjoint(map(folded, _LETTERS.findall(phrase)))
