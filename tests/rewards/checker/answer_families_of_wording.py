r"""Answers as people write them, in families: (gold answer, why, equal answers, different answers).

Each answer stands in a ``\boxed{}``. `ONE_WAY` holds rules for the answer only (a label, a rounding, a printed list): a
gold answer is never read so.
"""

from __future__ import annotations

FAMILIES: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = [
    (
        "5",
        "nouns are units",
        (
            *("5 apples", r"5 \text{ red balls}", "5个", "5本书", "5 dólares", r"5 \text{ años}", "5 рублей"),
            *("5 Äpfel", "5匹", "5 pairs", "5千克", "5加仑", "5 บาท", r"5\ \Omega", "5 Ω", "5 kΩ", "5 µm"),
            *(r"5\,\mu\text{m}", "5 Å", r"\text{Rs. }5", r"\text{USD } 5", r"5 \frac{\text{m}}{\text{s}}"),
            *(r"5\,\mathrm{m\cdot s^{-1}}", r"5\,\frac{\mathrm{kg}}{\mathrm{m}^3}", "5 dollars each"),
        ),
        (
            *("5 million", "5 millions", r"\$5k", r"\$5M", r"5\text{k}", r"\$5 \text{ bn}", "5 mil", "5 Mio."),
            *(r"5\text{ Mrd}", "5 gross", "5 milliards", "5 тысяч рублей", "5 тыс.", "5 млн", "5 dutzend"),
            *("5 docenas", "5 десятков", "5 dozen eggs", "5 score", "5百", "5千", "5万", "5亿", "5百万", "5千人"),
            *("5十", "5打", "5折", "5成", "5以上", "5以下", "5左右", "5多", "5几", "5至6", "5到6", "5或6", "5平方"),
            *("5的平方", "5分之一", "5点五", "5割", "5ダース", "5程度", "5未満", "5이상", "5만", "5 พัน"),
            *("5 ล้านบาท", "5 লাখ টাকা", "5 కోట్లు", "5 oder mehr", "5 ou plus", "5 o más", "5 или больше"),
            *(r"5 \text{ au moins}", r"5\text{ mindestens}", r"5\text{ nicht}", r"5\text{ faux}"),
            *(r"5\text{ impossible}", "不是5", "5不对", r"5\text{ неверно}", r"5 \text{ oder nicht}"),
            *(r"5\text{ halved}", r"5\text{ doubled}", r"5\text{ choose two}", r"5\text{ mod three}"),
            *(r"5\text{ verdoppelt}", "5 tens", r"5 \text{ per hundred}", r"5 \text{ apples thousand}"),
            *(r"5\text{ unless}", r"5\text{ hundred-thousandths}"),
        ),
    ),
    (
        "24",
        "a dozen",
        ("2 dozen", "2 dozens", "2 dutzend", "2 docenas", "2打", r"2\text{ dozen eggs}"),
        ("2", "12", "2 gross"),
    ),
    (
        "5000",
        "thousands",
        ("5 thousand", "5千", "5 mil", r"5\text{k}", r"\$5k", "5 тысяч", "5 Tausend", "5 тыс. рублей"),
        ("5",),
    ),
    (
        "5000000",
        "millions",
        ("5 million", r"\$5M", "5百万", "5 Millionen", "5 millones", "5 млн", "5 миллионов рублей", "500万"),
        ("5 billion", "5 Milliarden", "5000"),
    ),
    (
        r"5 \text{ m/s}",
        "compound units in every layout",
        (
            *("5 m/s", r"5 \frac{\text{m}}{\text{s}}", r"5\,\mathrm{m\,s^{-1}}", r"5\,\text{m}\cdot\text{s}^{-1}"),
            *(r"5\,\mathrm{m\cdot s^{-1}}", r"5 \frac{m}{s}", r"5\frac{m}{s}", r"5\,\dfrac{m}{s}"),
            r"v = 5 \frac{m}{s}",
        ),
        (
            *(r"5 \frac{m}{s^2}", r"5 \frac{s}{m}", r"5 \frac{km}{h}", r"6 \frac{m}{s}", r"\frac{m}{s}"),
            *(r"5 \frac{m}{t}", r"5 \frac{m^2}{s}", r"5 \frac{n}{s}"),
            *(r"5\text{ m/s}^2", r"5\,\mathrm{m\cdot s}", r"5 \frac{\text{s}}{\text{m}}", "5 km/h"),
        ),
    ),
    (
        r"\frac{m}{s}",
        "letters without a number are variables",
        ("m/s", r"\dfrac{m}{s}", r"\frac{2m}{2s}"),
        (r"5 \frac{m}{s}", "1", r"\frac{s}{m}"),
    ),
    (
        r"12 \frac{kg}{m^3}",
        "symbols of units in a fraction",
        (r"12\text{ kg/m}^3", r"12\,\frac{\text{kg}}{\text{m}^3}", r"12 \frac{kg}{m^{3}}"),
        (r"12\text{ kg/m}^2", r"12 \frac{g}{m^3}", r"12 \frac{kg}{m}"),
    ),
    (r"\frac{5m}{s}", "a product of variables", (r"5 \frac{m}{s}", r"5m/s"), ("5", r"\frac{5s}{m}")),
    (r"5\,\Omega", "ohms", ("5 Ω", "5 ohms", r"5\text{ ohm}"), ("5 kΩ", "5 V", r"5\,M\Omega")),
    ("5 MW", "case in abbreviations", ("5 megawatts",), ("5 mW", "5 kW")),
    (
        "60",
        "a percent sign on one side is a unit above one",
        (r"60\%", "60%", r"\frac{120}{2}\%", r"x = 60\%"),
        ("0.6", r"61\%", r"60\% \text{ or } 70\%", "60‰"),
    ),
    ("0.5", "and below one it is not", (r"50\%",), (r"0.5\%", r"5\%", "50")),
    ("1", "nor at one", (r"100\%",), (r"1\%",)),
    (
        r"\emptyset",
        "no solution",
        (
            *("no solution", r"\text{No solutions}", "No real solution", r"\{\}", "empty set", "无解"),
            r"\text{There is no solution}",
        ),
        ("0", "no", r"\{0\}", "undefined", "does not exist", "one solution"),
    ),
    (
        "does not exist",
        "a limit",
        ("DNE", r"\text{does not exist}", "The limit does not exist", "不存在"),
        ("0", r"\infty", "exists"),
    ),
    (
        "circle",
        "articles",
        ("a circle", r"\text{the circle}", "A circle"),
        ("a square", "no circle", "circles and lines"),
    ),
    (
        r"\text{(E)}",
        "an option with its text",
        (
            *(r"\text{(E) ellipse}", "E", "(E)", r"\text{Option E}", r"\text{E. ellipse}", "E. 12 cm"),
            r"\text{E. } 12 \text{ cm}",
        ),
        (r"\text{(D) ellipse}", "ellipse", "E or D", r"\text{(D) } E"),
    ),
    (
        "7",
        "layout",
        (
            *(r"\textcolor{red}{7}", r"\color{blue}7", r"{\color{red}7}", r"\color{red}{7}", r"\underline{7}"),
            *(r"7 \tag{1}", r"\framebox{7}", r"7 \quad \checkmark", "7 ✓", r"7\ ", '7 \\\\', "& 7", "= 7"),
            *(r"\begin{equation}7\end{equation}", r"\bbox[5px]{7}", r"\begin{aligned} x &= 7 \end{aligned}"),
            *(r"\fcolorbox{red}{white}{7}", r"{\Large 7}", r"\begin{align*}7\end{align*}"),
        ),
        (
            *(r"\textcolor{7}{8}", r"\color{7}", r"\tag{7}", r"\label{7} 8", r"\underline{7}8", r"8 \\ 7"),
            r"\begin{aligned} 7 \\ 8 \end{aligned}",
        ),
    ),
    ("14916", "separators", ("14 {, }916", "14’916", "14'916", "14{,}916"), ("14, 916", "14'91'6", "1'4916")),
    ("3:4", "a ratio sign", ("3∶4", "3：4", "6∶8"), ("4∶3",)),
    (r"\frac{1}{2}", "escaped twice", (r"\\frac{1}{2}", '\x0crac{1}{2}'), (r"\\frac{1}{3}",)),
    (
        "7, 8",
        "numbered parts keep their order",
        ("(1) 7 (2) 8", "(a) 7, (b) 8", "①7 ②8", "(i) 7 (ii) 8"),
        ("(1) 8 (2) 7", "(2) 7 (1) 8", "(1) 7"),
    ),
    ("AB=4, CD=5", "names of two letters", ("CD=5, AB=4",), ("5, 4", "4, 5", "AB=5, CD=4", "PQ=4, RS=5", "(4, 5)")),
    ("(11,7)or(7,11)", "a glued or", ("(7,11),(11,7)", r"(11,7) \text{ or } (7,11)"), ("(11,7)", "(7,11),(7,11)")),
    ("p=5,q=2;p=7,q=2", "solutions by name", ("(5,2),(7,2)", "(7,2),(5,2)"), ("(2,5),(2,7)", "(5,7),(2,2)", "(5,2)")),
    (
        r"\frac{\sqrt2}{2}",
        "printed values",
        ("sqrt(2)/2", "2**(1/2)/2", "sqrt(2)*Rational(1, 2)", r"\sqrt{2}/2"),
        ("sqrt(2)", "0.7071067811865476", "np.float64(0.7071067811865476)"),
    ),
    (
        "1/2",
        "printed fractions",
        ("Fraction(1, 2)", "Rational(1, 2)", "np.float64(0.5)", "Decimal('0.5')", "0.5", "S(1)/2"),
        ("Fraction(2, 1)", "Rational(1, 3)"),
    ),
    (r"\infty", "printed infinity", ("oo", "inf", "np.inf", "math.inf"), ("-oo", "zoo", "nan", "o")),
    ("3+4i", "printed complex numbers", ("3+4j", "(3+4j)", "3 + 4*I", "complex(3, 4)"), ("3-4j", "4+3j", "7j", "3+4k")),
    (
        r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
        "printed matrices",
        ("Matrix([[1, 2], [3, 4]])", "np.array([[1, 2], [3, 4]])", "array([[1, 2],[3, 4]])", '[[1 2]\n [3 4]]'),
        ("Matrix([[1, 3], [2, 4]])", "Matrix([[1, 2, 3, 4]])", "Matrix([1, 2, 3, 4])"),
    ),
    (
        "[0,1)",
        "printed intervals",
        ("Interval.Ropen(0, 1)", "Interval(0, 1, False, True)"),
        ("Interval(0, 1)", "Interval.open(0, 1)", "Interval.Lopen(0, 1)"),
    ),
    (
        r"(-\infty,2)",
        "a printed ray",
        ("Interval.open(-oo, 2)", "(-oo < x) & (x < 2)"),
        ("Interval(-oo, 2)", "Interval.open(2, oo)"),
    ),
    (
        r"(0,1)\cup(2,3)",
        "a printed union",
        ("Union(Interval.open(0, 1), Interval.open(2, 3))",),
        ("Union(Interval.open(0, 1), Interval(2, 3))",),
    ),
    (r"\{1,2\}", "printed sets", ("FiniteSet(1, 2)", "{1, 2}", "{2, 1}", "set([1, 2])"), ("FiniteSet(1, 3)", "(1, 2)")),
    ("x=3, y=4", "a printed assignment", ("{x: 3, y: 4}", "{'x': 3, 'y': 4}", "x=3, y=4"), ("{x: 4, y: 3}", "{x: 3}")),
    (
        "f(x)=cx",
        "a qualifier that restricts nothing",
        (
            *(r"f(x)=cx \text{ for any constant } c", r"f(x)=cx \text{ for all real } x"),
            r"f(x)=cx, x \in \mathbb{R}",
        ),
        (
            *(r"f(x)=cx \text{ for } x > 0", r"f(x)=cx \text{ for even } c", r"f(x)=cx \text{ for } c = 1"),
            *(r"\forall x>0, f(x)=cx", r"f(x)=cx \text{ for positive } c"),
        ),
    ),
]  # fmt: skip

ONE_WAY: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = [
    (
        "12",
        "a label before the asked value",
        (
            *("xy = 12", "m+n = 12", "x^2 + y^2 = 12", r"P(A \mid B) = 12", r"\mathbb{E}[X] = 12", "E[X] = 12"),
            *("[ABC] = 12", "f(f(2)) = 12", r"\lim_{x \to 0} f(x) = 12", r"\text{Area of } \triangle ABC = 12"),
            *(r"\|v\| = 12", r"\gcd(24, 36) = 12", "a_1 + a_2 = 12", "a+b = 5+7 = 12"),
            *(r"S = \frac{1}{2} \cdot 4 \cdot 6 = 12", r"A = \frac12 bh = 12", r"\text{Total: } 12"),
            *(r"\text{Alice: } 12", "Ans: 12", r"\text{Solution: } 12", r"\text{The value of } x \text{ is } 12"),
            *(r"\text{The largest } n \text{ is } 12", "the value is 12", "There are 12", "12 is the answer"),
            *("about 12", r"x \approx 12", "12 (twelve)", r"12 \text{ or } 12.0", r"x+\frac{1}{x}=12"),
        ),
        (
            *("5 = 12", "2+3 = 12", r"\sqrt{2} = 12", r"\pi = 12", "e = 12", "2x = 12", "x^2 = 12", "x + 3 = 12"),
            *(r"\sqrt{x} = 12", "2^x = 12", "12 = 13", "xy = 13", "a+b = 5+6 = 12", "a+b = 5+7 = 13"),
            *(r"\text{not } x = 12", r"\text{Not: } 12", r"\text{The wrong answer is } 12"),
            *(r"\text{The answer is not } 12", r"\text{Half of it is } 12", "12 (thirteen)", r"12 \text{ or } 13"),
            *("xy > 12", "xy = 12, x + y = 7", r"\neg x = 12", "12 (13)", r"\text{Wrong: } 12"),
            *("The answer is 12 or 13", "x = 12 = 13", "x = 11 = 12", "more than 12"),
        ),
    ),
    (
        "x = 5",
        "both labels must agree",
        ("5", "x=5", r"\text{The value of } x \text{ is } 5"),
        ("y = 5", "xy = 5", "m + n = 5", "x = 6"),
    ),
    ("x^2+y^2=25", "an equation is no label", ("y^2+x^2=25",), ("25", "x^2+y^2=24", "x+y=25", "5")),
    ("y=2x+3", "nor is a line", ("2x+3",), ("3", "2y=2x+3", "x=2x+3")),
    (
        r"\frac13",
        "an exact value and its own rounding",
        (
            *(r"\frac13 \approx 0.333", r"x = \frac13 \approx 0.33", r"\frac{1}{3} (\approx 0.3333)"),
            r"\frac13 \simeq 0.3",
        ),
        (
            *(r"\frac13 \approx 0.35", r"0.333 \approx 0.33", r"\frac14 \approx 0.333", r"\frac13 \approx 0.5"),
            *(r"0.3 \approx \frac13", "0.333"),
        ),
    ),
    (
        "0.333",
        "the rounding, where it is the gold answer",
        (r"\frac13 \approx 0.333", "0.333"),
        (r"\frac13", r"\frac12 \approx 0.333", r"\frac13 \approx 0.33"),
    ),
    ("V_{1}:V_{2}=11:21", "a label that is a ratio", ("11:21", "V_1:V_2=11:21"), ("21:11", "V_2:V_1=11:21")),
    (r"P(A|B) = \frac12", "a label in the gold answer", (r"\frac12", "0.5"), ("2", "P(A|B)=2")),
    (r"\cos A = \frac12", "a function of an angle", (r"\frac12",), (r"\cos B = \frac12", "A = 60")),
    ("1, 2", "a list as Python prints it", ("[1, 2]", "[2, 1]"), ("[1, 3]", "(1, 2)", "[1,2]", "[1, 2)", "[1, 2, 3]")),
    ("[1, 2]", "and never an interval in its place", ("[1, 2]", r"1 \le x \le 2"), ("1, 2", r"\{1, 2\}", "(1, 2)")),
    ("7", "a list of candidates is no number", ("7",), ("[7, 8]", "[7, 7.5]", "7, 8", "[7]..")),
    ("1234567", "Indian separators", ("12,34,567", "12,34,567.0"), ("12,34,56", "12, 34, 567", "1,2,34,567")),
    (
        r"\ln 2",
        "a program's logarithm is natural",
        ("log(2)", "log(4)/2", "2*log(2)/2"),
        (r"\log 2", r"\log(2)", "log(3)", r"\log_{10} 2"),
    ),
]  # fmt: skip
