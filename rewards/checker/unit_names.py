"""Tables of the words that stand behind a number: units, currencies, number words, and words that are no unit."""

from __future__ import annotations

__all__ = ["CANONICAL", "FOREIGN", "MULTIPLIERS", "NO_UNIT"]

_NAMES = {
    "meter": "m meter metre",
    "centimeter": "cm centimeter centimetre",
    "millimeter": "mm millimeter millimetre",
    "kilometer": "km kilometer kilometre",
    "inch": "in inch inches",
    "foot": "ft foot feet",
    "yard": "yd yard",
    "mile": "mi mile",
    "gram": "g gm gram",
    "kilogram": "kg kilogram kilo",
    "milligram": "mg milligram",
    "pound": "lb lbs pound gbp GBP",
    "ounce": "oz ounce",
    "ton": "ton tonne",
    "liter": "L l liter litre",
    "milliliter": "mL ml milliliter millilitre",
    "gallon": "gal gallon",
    "second": "s sec second",
    "minute": "min minute",
    "hour": "h hr hour",
    "day": "day",
    "week": "week",
    "month": "month",
    "year": "yr year",
    "dollar": "dollar usd USD buck",
    "cent": "cent",
    "euro": "euro eur EUR",
    "yuan": "yuan rmb RMB cny CNY",
    "rupee": "rupee Rs",
    "degree": "degree deg",
    "celsius": "celsius centigrade C",
    "fahrenheit": "fahrenheit F",
    "newton": "N newton",
    "joule": "J joule",
    "watt": "W watt",
    "volt": "V volt",
    "kelvin": "K kelvin",
    "hertz": "Hz hz hertz",
    "unit": "unit",
    "radian": "rad radian",
    "acre": "acre",
    "ordinal": "th st nd rd",
    "mph": "mph",
    "kph": "kph kmh kmph",
}
CANONICAL = {name: unit for unit, names in _NAMES.items() for name in names.split()}
MULTIPLIERS = {
    "hundred": "10^2",
    "thousand": "10^3",
    "million": "10^6",
    "billion": "10^9",
    "trillion": "10^12",
    "lakh": "10^5",
    "crore": "10^7",
    "dozen": "12",
}
_NO_UNIT = (
    "or not is are was were no maybe perhaps possibly about approximately wrong incorrect false than to plus minus "
    "over divided mod modulo base least most between either neither nor except but if when and answer half halves "
    "third thirds fourth fourths quarter fifth fifths sixth sixths seventh sevenths eighth eighths ninth ninths tenth "
    "tenths pi infinity negative positive below above mille permille"
)
_PARTS = (
    "eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth "
    "fortieth fiftieth sixtieth seventieth eightieth ninetieth hundredth thousandth millionth billionth trillionth"
)
NO_UNIT = frozenset([*_NO_UNIT.split(), *_PARTS.split(), *(f"{part}s" for part in _PARTS.split())])
FOREIGN = {
    "¢": "cent",
    "₹": "rupee",
    "₽": "ruble",
    "₩": "won",
    "米": "meter",
    "厘米": "centimeter",
    "毫米": "millimeter",
    "千米": "kilometer",
    "公里": "kilometer",
    "克": "gram",
    "千克": "kilogram",
    "公斤": "kilogram",
    "吨": "ton",
    "升": "liter",
    "毫升": "milliliter",
    "秒": "second",
    "分": "minute",
    "分钟": "minute",
    "时": "hour",
    "小时": "hour",
    "天": "day",
    "日": "day",
    "周": "week",
    "月": "month",
    "个月": "month",
    "年": "year",
    "元": "yuan",
    "美元": "dollar",
    "欧元": "euro",
    "度": "degree",
    "平方米": "meter^2",
    "平方厘米": "centimeter^2",
    "平方千米": "kilometer^2",
    "立方米": "meter^3",
    "立方厘米": "centimeter^3",
}
