"""What people in the field write, by the kinds of the collected cases: judged by hand before the checker saw them.

A line is a gold answer and answers in a box, between two tildes.
"""

from __future__ import annotations

EQUAL = r"""
7 ~~ \approx 7 ~~ --7 ~~ +7 ~~ |7| ~~ |-7| ~~ (7) ~~ 7 + 0 ~~ 7x/x ~~ \color{red}7 ~~ \color{red}{7}
7 ~~ \colorbox{yellow}{7} ~~ \mathbf{7} ~~ \underline{7} ~~ \vphantom{8}7 ~~ \bbox[5px]{7} ~~ \smash{7}
7 ~~ \displaystyle 7 ~~ \Large 7 ~~ 7\label{x} ~~ 7 \qquad \blacksquare ~~ 7~\text{✓} ~~ 7 \text{ couples}
7 ~~ 7 \text{ each} ~~ 7 \text{ in total} ~~ 7 \text{ altogether} ~~ 7 \pmod 9 ~~ 7 \text{ for all } n ~~ 7_{10}
7 ~~ a+b+c = 7 ~~ abc = 7 ~~ \frac{a}{b} = 7 ~~ p + q = 3 + 4 = 7 ~~ m - n = 7 ~~ x + \frac1x = 7 ~~ a^2+b^2+c^2 = 7
7 ~~ 7 = a+b ~~ \text{Number of ways} = 7 ~~ \text{# of ways: } 7 ~~ \text{Answer} = 7
7 ~~ \text{Bob has } 7 \text{ apples} ~~ n(A)=7 ~~ |A|=7 ~~ \#A = 7 ~~ \text{GCD} = 7 ~~ \det(A) = 7 ~~ |A \cap B| = 7
7 ~~ 7=7 ~~ 3+4=7 ~~ \tan^2\frac{\pi}{7}\tan^2\frac{2\pi}{7}\tan^2\frac{3\pi}{7}
x=7 ~~ 7=x ~~ 7 ~~ x-7=0
0 ~~ -0
8000 ~~ 8 \text{ k}
8000000 ~~ 8 \text{ mio}
8e ~~ 8\mathrm{e}
8 ~~ 8 g ~~ 8 s ~~ 8 \text{ twins} ~~ 8 \text{ trios} ~~ 8 \text{ pairs of shoes}
\frac12 ~~ \sin 30^\circ = \frac12 ~~ \tan\theta = \frac12 ~~ \textbf{(C)}\ \frac12
\frac12 ~~ \cos\frac{\pi}{7}-\cos\frac{2\pi}{7}+\cos\frac{3\pi}{7}
\frac13 ~~ P = \frac13 ~~ P(A \cup B) = \frac13 ~~ \Pr(X=1)=\frac13 ~~ \mathbb{P}(X>2) = \frac13 ~~ \int_0^1 x^2\,dx
\frac13 ~~ 0.\overline{3} ~~ 33.\overline{3}\% ~~ 33\frac13\%
3 ~~ \operatorname{Var}(X) = 3 ~~ E(X)=3 ~~ x_{\min} = 3 ~~ f^{-1}(1) = 3 ~~ f''(0)=3 ~~ \frac{dy}{dx} = 3
3 ~~ \left.\frac{dy}{dx}\right|_{x=1} = 3 ~~ (f\circ g)(2)=3 ~~ \lim_{x \to 0} \frac{\sin 3x}{x} = 3
3 ~~ \int_0^3 dx = 3 ~~ \log_2 8 = 3 ~~ \lfloor \pi \rfloor = 3 ~~ S_{10} = 3 ~~ a_n = 3 ~~ np.int64(3) ~~ abs(-3)
3 ~~ Abs(-3) ~~ 3.0 ~~ 3. ~~ \min\{3,5\} ~~ \lceil 2.5 \rceil
12 ~~ \text{Area of } \triangle ABC = 12 ~~ [ABCD]=12 ~~ \text{Perimeter} = 12 \text{ cm} ~~ V = 12 ~~ A_{ABC}=12
12 ~~ 1 dozen ~~ \text{(C) } 12
5 ~~ |z| = 5 ~~ \overline{AB} = 5 ~~ AB = 5 ~~ d(A,B)=5 ~~ 5厘米 ~~ 5米 ~~ 5元 ~~ 5個 ~~ 5人 ~~ 5公斤 ~~ 5千米 ~~ 𝟱
5 ~~ ５．０ ~~ Integer(5) ~~ 5 \text{ m/s} ~~ 5\,\Omega ~~ 5 Ω ~~ 5 µm ~~ 5 μm ~~ 5 \mu\text{m} ~~ 5 Å
5 ~~ 5 \text{ Å} ~~ 5^\circ ~~ 5° ~~ 5 ^\circ C ~~ 5 ℃ ~~ 5 °F ~~ 5 \text{ degrees} ~~ £5 ~~ ₹5 ~~ \text{Rs. } 5
5 ~~ 5 \text{ USD} ~~ \text{USD } 5 ~~ 5 \text{ dollars} ~~ \$5.00 ~~ 5 \text{ cents} ~~ 5 ¢ ~~ 5\text{ rubles}
5 ~~ 5 рублей ~~ 5 Äpfel ~~ 5 Euro ~~ 5 manzanas ~~ 5 pommes ~~ 5つ ~~ 5本 ~~ 5円 ~~ 5 บาท ~~ 5 টাকা
5 ~~ 5 \text{ units} ~~ 5 \text{ dollars per hour} ~~ 5 \text{ apples left} ~~ 5 \text{ years old}
5 ~~ 5 \text{ o'clock} ~~ 5 \text{ times} ~~ 5 \text{ ways} ~~ 5 \text{ (five)} ~~ \text{exactly } 5
5 ~~ \text{approximately } 5 ~~ \text{roughly } 5 ~~ \begin{aligned} 2+3 &= 5 \end{aligned}
5 ~~ \begin{aligned} x &= 2+3 \\ &= 5 \end{aligned} ~~ \begin{align*} 5 \end{align*}
5 ~~ \begin{gathered} 5 \end{gathered} ~~ \max(3,5) ~~ \max\{3,5\} ~~ 05 ~~ 5 (\text{five}) ~~ 5 (five) apples
10 ~~ \binom{5}{2} = 10 ~~ C(5,2)=10 ~~ {5 \choose 2} = 10 ~~ binomial(5, 2) ~~ \binom52
60 ~~ \text{lcm}(12, 15) = 60 ~~ 5 Dutzend ~~ 5 docenas ~~ 5 douzaines ~~ 5 дюжин ~~ 60\%
30 ~~ \angle A = 30^\circ ~~ \angle ABC=30 ~~ m\angle A = 30^\circ
30^\circ ~~ \angle BAC = 30^\circ
(1,2) ~~ P(1,2) ~~ (x,y) = (1,2) ~~ x=1, y=2 ~~ y=2, x=1 ~~ \vec{v} = (1,2) ~~ (1, 2) ~~ {x: 1, y: 2}
(1,2) ~~ \begin{cases} x=1 \\ y=2 \end{cases} ~~ \langle 1,2\rangle ~~ A_1(1,2)
y=5 ~~ 5
x^2+1 ~~ f(x)=x^2+1 ~~ y = x^2+1 ~~ g(x)=x^2+1
f(x)=x^2+1 ~~ x^2+1
2\pi r ~~ C=2\pi r
3000000 ~~ 3 million ~~ 3\text{ million}
500000 ~~ 5 lakh
5000 ~~ 5千 ~~ 5 тысяч ~~ 5千円
500 ~~ 5百
15 ~~ 1５
0.5 ~~ ½ ~~ .5 ~~ 0.50 ~~ Rational(1, 2) ~~ Decimal('0.5') ~~ mpf('0.5')
2.5 ~~ 2½
6 ~~ 2⋅3 ~~ 2×3 ~~ 2*3 ~~ 2∙3 ~~ factorial(3) ~~ \gcd(12,18) ~~ \gcd(12,18,30)
1.5 ~~ 3÷2 ~~ 3/2 ~~ 3∕2 ~~ 3⁄2
2000 ~~ 2E3 ~~ 2e+3 ~~ 2.0e3
0.002 ~~ 2e-3 ~~ 2E-03
x^2 ~~ x² ~~ \sqrt{x^4}
x^{-1} ~~ x⁻¹
x_{12}=5 ~~ x₁₂=5
2 ~~ √4 ~~ \sqrt{2+\sqrt3}\cdot\sqrt{2-\sqrt3}+1 ~~ |1+i\sqrt3| ~~ 17 \bmod 5 ~~ 17 \mod 5 ~~ 2 \pmod 5
2 ~~ \lfloor 2.5 \rfloor ~~ \sum_{k=0}^{\infty} \frac{1}{2^k} ~~ \log 100 ~~ \lg 100
\sqrt{5} ~~ √5
\sqrt{15} ~~ √15
5\sqrt{2} ~~ 5√2
\sqrt{5}+2 ~~ √(5)+2
\frac{\pi}{2} ~~ π/2 ~~ pi/2 ~~ \arcsin\frac35+\arccos\frac35 ~~ \arctan 3+\arctan\frac13
2\pi ~~ 2π
\theta ~~ θ
x\ge3 ~~ x≥3 ~~ x>=3
x\ne3 ~~ x≠3 ~~ x!=3
\infty ~~ ∞ ~~ +\infty ~~ \text{infinity}
-\infty ~~ −∞ ~~ -oo
\mathbb{Z} ~~ ℤ
\emptyset ~~ \varnothing ~~ \text{empty set} ~~ EmptySet ~~ set() ~~ \{1\}\cap\{2\}
1234567 ~~ 1 234 567 ~~ 1,234,567
1234.5 ~~ 1,234.5
100000 ~~ 1,00,000
1000000 ~~ 1{,}000{,}000 ~~ 1\ 000\ 000
0.1 ~~ 10^{-1} ~~ 0.1
0.3 ~~ np.float64(0.3)
1/3 ~~ Rational(1,3)
2/3 ~~ 2/3
\pi ~~ pi ~~ \arctan1+\arctan2+\arctan3
e ~~ exp(1)
e^2 ~~ exp(2)
\ln 2 ~~ log(2) ~~ \int_1^2 \frac{1}{x}dx
\sqrt{2} ~~ 2**(1/2) ~~ sqrt(2)
\sqrt[3]{2} ~~ 2**(1/3) ~~ cbrt(2) ~~ 2^{1/3}
3+4i ~~ 3+4j ~~ (3+4j) ~~ 3 + 4*I
i ~~ 1j ~~ I ~~ \sqrt{-1}
[0,1] ~~ Interval(0, 1) ~~ (0,1)\cup\{0,1\}
(0,1) ~~ Interval.open(0, 1)
[0,1) ~~ Interval.Ropen(0, 1)
\{1,2\} ~~ FiniteSet(1, 2) ~~ {1, 2}
1,2 ~~ [2, 1]
1 ~~ [1] ~~ {x: 1} ~~ 0.\overline{9} ~~ 0.9999\ldots
x=1 ~~ {x: 1} ~~ Eq(x, 1)
x=1,y=2 ~~ {'x': 1, 'y': 2}
\begin{pmatrix}1\\2\end{pmatrix} ~~ Matrix([[1], [2]])
\begin{pmatrix}1&2\\3&4\end{pmatrix} ~~ [[1, 2], [3, 4]] ~~ np.array([[1, 2], [3, 4]])
\text{True} ~~ True
x>1 ~~ x > 1 ~~ 1 < x
(1,\infty) ~~ (1 < x) & (x < oo)
1<x<2 ~~ (1 < x) & (x < 2)
x=-1,x=1 ~~ [-1, 1] ~~ {-1, 1}
(1,2),(3,4) ~~ [(1, 2), (3, 4)]
5 \text{ m/s} ~~ 5 m/s ~~ 5 \text{ meters per second} ~~ 5 \text{ m s}^{-1} ~~ 5\,\frac{\mathrm{m}}{\mathrm{s}}
5 \text{ cm}^2 ~~ 5\ \mathrm{cm}^2 ~~ 5 \text{ square centimeters} ~~ 5 \text{ sq cm}
5 \text{ cm}^3 ~~ 5 \text{ cubic centimeters}
0.6 ~~ 60\%
60\% ~~ 0.6 ~~ 60
150\% ~~ 1.5
150 ~~ 150\%
0.01 ~~ 1\%
even ~~ \text{Even} ~~ \text{even.}
Yes ~~ \text{yes}
\text{Monday} ~~ \text{monday}
\text{ellipse} ~~ \text{an ellipse} ~~ \text{the ellipse} ~~ \textbf{Ellipse}
\text{Alice} ~~ Alice
\text{Alice, Bob} ~~ \text{Bob, Alice}
\text{east} ~~ \text{East}
\text{(C)} ~~ C
C ~~ (C) ~~ \text{C) } 12 ~~ \mathrm{C} ~~ \text{choice C} ~~ \text{Answer: C} ~~ \textbf{(C)}\ \frac12 ~~ C.
C ~~ \boxed{C}
\text{A, C} ~~ AC
|x+2| ~~ \sqrt{x^2+4x+4}
|x|^3 ~~ \sqrt{x^6}
2|x| ~~ \sqrt{4x^2}
|x-y| ~~ |y-x|
|x| ~~ |-x|
\frac{\pi}{4} ~~ \arctan\frac13+\arctan\frac12 ~~ \arctan 2-\arctan\frac13 ~~ 4\arctan\frac15-\arctan\frac{1}{239}
\arccos\frac45 ~~ \arcsin\frac35
\frac{\pi}{3} ~~ \arccos\frac12 ~~ \tan^{-1}\sqrt3
\frac{5\pi}{6} ~~ \arccos(-\frac{\sqrt3}{2})
-\frac{\pi}{6} ~~ \arcsin(-\frac12)
\frac{\sqrt5-1}{4} ~~ \sin 18^\circ ~~ \cos 72^\circ
\frac{\sqrt6-\sqrt2}{4} ~~ \sin 15^\circ
\frac{\sqrt6+\sqrt2}{4} ~~ \cos\frac{\pi}{12}
\sqrt2-1 ~~ \tan\frac{\pi}{8}
\frac18 ~~ \cos 20^\circ\cos 40^\circ\cos 80^\circ
\frac{1}{16} ~~ \sin 10^\circ \sin 30^\circ \sin 50^\circ \sin 70^\circ
-\frac12 ~~ \cos 72^\circ + \cos 144^\circ
\sqrt3 ~~ \tan 20^\circ+\tan 40^\circ+\sqrt3\tan 20^\circ\tan 40^\circ
4 ~~ \frac{1}{\sin 10^\circ}-\frac{\sqrt3}{\cos 10^\circ} ~~ \sqrt[3]{20+14\sqrt2}+\sqrt[3]{20-14\sqrt2}
\frac{\sqrt7}{8} ~~ \sin\frac{\pi}{7}\sin\frac{2\pi}{7}\sin\frac{3\pi}{7}
\sqrt2+\sqrt3 ~~ \sqrt{5+2\sqrt6}
\sqrt3-\sqrt2 ~~ \sqrt{5-2\sqrt6}
1+\sqrt2 ~~ \sqrt{3+2\sqrt2} ~~ \sqrt[3]{7+5\sqrt2}
\frac{1}{\sqrt2+1} ~~ \sqrt2-1
\frac{1}{\sqrt[3]{2}} ~~ \frac{\sqrt[3]{4}}{2}
\frac{1+\sqrt5}{2} ~~ 2\cos 36^\circ
\frac{-1+\sqrt3 i}{2} ~~ e^{2\pi i/3}
-1 ~~ i^2 ~~ e^{i\pi}
3+2i ~~ \frac{13}{3-2i}
\text{undefined} ~~ \text{Undefined}
\text{DNE} ~~ \text{does not exist}
\text{no solution} ~~ \text{No solutions} ~~ \emptyset
5,6 ~~ 5和6 ~~ 5 \text{ und } 6 ~~ 5 \text{ et } 6 ~~ 5 \text{ y } 6 ~~ 5、6 ~~ 5；6 ~~ 6, 5
5^\circ C ~~ 5°C ~~ 5\,{}^\circ\mathrm{C} ~~ 5
5 \text{ kg} ~~ 5 \text{ kilograms} ~~ 5\,\mathrm{kg}
5 \text{ hours} ~~ 5 \text{ h} ~~ 5 \text{ hrs}
5 \text{ days} ~~ 5
5 \text{ mph} ~~ 5 \text{ miles per hour}
5 \text{ km/h} ~~ 5 \text{ kilometers per hour}
5\,\text{N} ~~ 5 \text{ newtons}
x^2+C ~~ x^2+c ~~ x^2+K ~~ x^2+C_1
\sin^2 x+C ~~ -\cos^2 x+C
\ln|x|+C ~~ \ln|x|+c
y=Ce^{2x} ~~ Ce^{2x}
\frac{\pi}{4}+n\pi, n\in\mathbb{Z} ~~ \frac{5\pi}{4}+m\pi, m\in\mathbb{Z} ~~ \frac{\pi}{4}-k\pi, k\in\mathbb{Z}
\frac{\pi}{4}+n\pi, n\in\mathbb{Z} ~~ \frac{\pi}{4}+n\pi \text{ for integer } n
\frac{\pi}{4}+n\pi, n\in\mathbb{Z} ~~ \frac{\pi}{4}+n\pi \text{ where } n \text{ is an integer}
x=k\pi, k\in\mathbb{Z} ~~ \{k\pi : k\in\mathbb{Z}\} ~~ x=n\pi (n \in Z)
\{x \mid x>3\} ~~ (3,\infty)
\{x : x>3\} ~~ x>3
\{x \in \mathbb{R} : x > 3\} ~~ x>3
\{x \mid 1<x<3\} ~~ (1,3)
\{x \mid x \ne 0\} ~~ \mathbb{R}\setminus\{0\} ~~ (-\infty,0)\cup(0,\infty)
\{x | x=1 \text{ or } x=2\} ~~ \{1,2\}
\{1,2,3\} ~~ \{1,2\}\cup\{3\}
\{2\} ~~ \{1,2\}\cap\{2,3\}
(0,2) ~~ (0,1]\cup(1,2)
\begin{cases} x & x>0 \\ 0 & x\le 0\end{cases} ~~ \begin{cases} 0 & x\le0 \\ x & x>0\end{cases}
\begin{cases} x & x>0 \\ 0 & x\le 0\end{cases} ~~ \begin{cases} x & x>0 \\ 0 & \text{otherwise}\end{cases}
\begin{cases} x & x>0 \\ 0 & x\le 0\end{cases} ~~ \begin{cases} 0 & x\le 0 \\ x & \text{otherwise}\end{cases}
x=1, y=2 ~~ \begin{cases} x=1 \\ y=2 \end{cases} ~~ \begin{cases} y=2 \\ x=1 \end{cases}
x=1, y=2 ~~ \left\{\begin{array}{l} x=1 \\ y=2 \end{array}\right.
36 ~~ \operatorname{lcm}(12,18) ~~ \text{lcm}(12,18)
55 ~~ \sum_{k=1}^{10} k
385 ~~ \sum_{k=1}^{10} k^2
\frac{n(n+1)(2n+1)}{6} ~~ \sum_{k=1}^n k^2
120 ~~ \prod_{k=1}^5 k
2x ~~ \frac{d}{dx}x^2
\log_2 3 ~~ \frac{\ln 3}{\ln 2} ~~ \frac{\log 3}{\log 2}
\log_4 9 ~~ \log_2 3
\ln 6 ~~ \ln2+\ln3
\ln(x^2) ~~ 2\ln x
\sec^2 x ~~ 1+\tan^2 x
\sin 2x ~~ 2\sin x\cos x
\cos 2x ~~ 1-2\sin^2x
\cosh x ~~ \frac{e^x+e^{-x}}{2}
(a+b)^3 ~~ a^3+3a^2b+3ab^2+b^3
x^{2n}-1 ~~ (x^n-1)(x^n+1)
2^{n+1} ~~ 2\cdot2^n
4^n ~~ 2^{2n}
\binom{n}{2} ~~ \frac{n(n-1)}{2}
a_n=2^n ~~ a_n=2^{n} ~~ 2^n
f(x)=x^2 ~~ f(x)=x^2 \text{ for all } x\in\mathbb{R}
f(x)=0 \text{ for all } x ~~ f(x)=0
f(x)=0, f(x)=x ~~ f(x)=x \text{ or } f(x)=0
12:30 ~~ 12:30 \text{ PM}
3:00 PM ~~ 3 \text{ p.m.} ~~ 15:00
1:2:3 ~~ 2:4:6
1:2 ~~ \frac12
\frac{3}{4} ~~ 3:4
123_4 ~~ 123_{4}
\text{2, 3, and 5} ~~ 2,3,5
2^3\cdot 3 ~~ 24
24 ~~ 2^3 \times 3
2,4,6,\ldots ~~ 2,4,6,\dots
x\in[2,3] ~~ 2\le x\le3 ~~ [2,3]
2\le x\le3 ~~ x \ge 2 \text{ and } x\le 3
x<2 \text{ or } x>3 ~~ (-\infty,2)\cup(3,\infty) ~~ x>3 \text{ or } x<2
x<2 ~~ 2>x
(2,\infty) ~~ x>2
y=2x+1 ~~ 2x-y+1=0 ~~ y-1=2x ~~ x=\frac{y-1}{2}
x^2+y^2=25 ~~ \frac{x^2}{25}+\frac{y^2}{25}=1
(x-1)^2+(y+2)^2=9 ~~ x^2+y^2-2x+4y-4=0
\frac{x^2}{4}+y^2=1 ~~ x^2+4y^2=4
\vec{i}+2\vec{j} ~~ \mathbf{i}+2\mathbf{j}
2\sqrt{3}\text{ cm} ~~ 2\sqrt3 ~~ \sqrt{12}\text{ cm}
\$1,234.50 ~~ 1234.5 ~~ \$1234.50
5\frac12 ~~ 5.5 ~~ \frac{11}{2}
-5\frac12 ~~ -5.5
\begin{cases} x & x>0 \\ 0 & \text{otherwise}\end{cases} ~~ \begin{cases} x & x>0 \\ 0 & x\le 0\end{cases}
(\frac12,3) ~~ M\left(\frac{1}{2}, 3\right)
5\% ~~ \text{5 percent} ~~ \text{5 per cent} ~~ \textbf{5 pct} ~~ \text{about 5 percent} ~~ 5 \text{ percent}
0.05 ~~ \text{5 percent} ~~ \text{5 Prozent}
1011_2 ~~ {1011}_2 ~~ {1011}_{2} ~~ 1011_{(2)} ~~ 1011 \text{ (base 2)} ~~ 1011 \text{ (base two)}
\begin{pmatrix}1&2\\3&4\end{pmatrix} ~~ \begin{pmatrix}1&2\\[2mm]3&4\end{pmatrix}
\begin{pmatrix}1\\3\end{pmatrix} ~~ \begin{bmatrix}1\\ [0.3em]3\\[1ex]\end{bmatrix}
x=1,y=2 ~~ \begin{cases}x=1\\[4pt]y=2\end{cases} ~~ \begin{aligned}x&=1\\[-4pt]y&=2\end{aligned}
[1,2]\cup[3,4] ~~ [1,2]\bigcup[3,4] ~~ [3,4] \bigcup [1,2]
\emptyset ~~ (0,1)\bigcap(2,3)
\mathbb{R} ~~ \R ~~ \Bbb R ~~ \Bbb{R} ~~ \mathds{R}
\mathbb{N} ~~ \N ~~ \Bbb{N}
60^\circ ~~ 60^{\mathrm{o}} ~~ 60^{\text{o}} ~~ 60^\text{o} ~~ 60\textdegree
-0.5 ~~ {-}0.5 ~~ {-}\frac12
3 ~~ {+}3 ~~ 5{-}2
3i ~~ 3\imath
\sqrt{3} ~~ \surd3 ~~ \surd{3}
5000000 ~~ \$\text{5 million} ~~ \$ \text{5 million}
(0,\infty) ~~ \mathbb{R}^+ ~~ \mathbb{R}^{+} ~~ \R^+ ~~ \mathbb{R}_{>0} ~~ x \in \mathbb{R}^+
[0,\infty) ~~ \mathbb{R}_{\ge 0} ~~ \mathbb{R}_{\geq 0}
(-\infty,0) ~~ \mathbb{R}^- ~~ \mathbb{R}_{<0}
(-\infty,0] ~~ \mathbb{R}_{\le 0}
"""

DIFFERENT = r"""
A ~~ A, B, C, D ~~ A/B ~~ \text{A and B} ~~ ABCD
7 ~~ 7 \text{ or } 8 ~~ 7 / 8 ~~ 7;8 ~~ 7 \text{ (or } 8) ~~ 7, \text{possibly } 8 ~~ 7 \text{ but not } 8 ~~ 7 \to 8
7 ~~ 7 \rightarrow 8 ~~ 7 \sim 8 ~~ 7\dots ~~ 7..8 ~~ \{7, 8\} ~~ 7 \text{ and } 8 ~~ \geq 7 ~~ > 7 ~~ \neq 7
7 ~~ \sim 7 ~~ 7+ ~~ 7- ~~ 7? ~~ 7^{*} ~~ -7 ~~ \pm 7 ~~ \text{the answer} ~~ \text{same as gold} ~~ n ~~ \square
7 ~~ \cdots ~~ ? ~~ \text{N/A} ~~ 7/0 ~~ 0^0 \cdot 7 ~~ \log_0 5 ~~ \frac{7 \cdot 0}{0} ~~ \sqrt{-49} ~~ \cancel{7}
7 ~~ \sout{7} ~~ \not 7 ~~ \overline{7} ~~ \hat{7} ~~ 7 \text{ dozen} ~~ 7 \text{ score} ~~ 7 \text{ sets of } 3
7 ~~ 7 \text{ groups of 3} ~~ 7 \text{ more than } 3 ~~ 7 \text{ cubed} ~~ 7 \text{ halves} ~~ 7 \text{ thirds}
7 ~~ 7 \text{ tenths} ~~ 7 \text{ hundredths} ~~ 7 \text{ percent of } 10 ~~ 7 \text{ below zero}
7 ~~ 7 \text{ minus } 2 ~~ 7 \text{ plus } 2 ~~ 7 \text{ over } 9 ~~ 7 \text{ divided by } 9 ~~ 7 \text{ mod } 9
7 ~~ 7 \text{ if } n \text{ is even} ~~ 7 \text{ otherwise} ~~ 7 \text{ r } 2 ~~ 7 \text{ in base } 8
7 ~~ 7_{\text{eight}} ~~ (7)_{8} ~~ p+q=3+5=7 ~~ 2x = 7 ~~ x^2 = 7 ~~ 5 < 7 ~~ 8 = 7 ~~ 3+5=7
x=7 ~~ x=7 \text{ or } x=8 ~~ x \neq 7 ~~ x \ge 7 ~~ 0=0 ~~ x^2=49 ~~ x = 7, y = 8
0 ~~ \text{null} ~~ \text{undefined} ~~ \varnothing ~~ 0/0 ~~ \infty-\infty ~~ 0\cdot\infty ~~ \frac{1}{\infty}
0 ~~ e^{-\infty}
87 ~~ 8\hspace{1em}7 ~~ 8\,7 ~~ 8 7
8 ~~ 8 \text{ k} ~~ 8\text{K} ~~ 8 \text{ mil} ~~ 8 \text{ mio} ~~ 8 \text{ Mrd.} ~~ 8 \text{ trillion}
8 ~~ 8 \text{ lakh} ~~ 8 \text{ hundred} ~~ 8 \text{ hundreds} ~~ 8 \text{ m} + 2 ~~ 8 \text{ kg} - 3 \text{ kg}
8 ~~ 2 \text{ m} 8 \text{ cm} ~~ 8 \text{ x} ~~ 8 \text{ pi} ~~ 8\pi ~~ 8\mathrm{e} ~~ 8 x ~~ 8 k
y=5 ~~ z=5
P=5 ~~ Q=5
AB=5 ~~ CD=5
5 ~~ 5 \neq 7 ~~ \text{Bob: } 5, \text{Alice: } 6 ~~ 5 lakhs ~~ 5\text{ crore} ~~ \$5\text{B} ~~ \$5\text{T} ~~ 5千
5 ~~ 5万 ~~ 5亿 ~~ 五 ~~ 5十 ~~ 5以上 ~~ 5不到 ~~ 5多 ~~ 不少于5 ~~ 5成 ~~ 百分之5 ~~ 不是5 ~~ 5分之1 ~~ 負5 ~~ Ⅴ
5 ~~ 5 тысяч ~~ 5 mille ~~ 5 mil ~~ 5 millions ~~ 5 Millionen ~~ 5 oder weniger ~~ 5 o más ~~ 5 ou plus
5 ~~ 5 или больше ~~ mindestens 5 ~~ al menos 5 ~~ au moins 5 ~~ не менее 5 ~~ 5 以下 ~~ 5人以上
5 ~~ 5千円 ~~ 5万円 ~~ 5 ล้าน ~~ 5 พัน ~~ 5 হাজার ~~ 5 వేలు ~~ 5 elfu ~~ 5 milioni ~~ 5 Dutzend ~~ 5 docenas
5 ~~ 5 Prozent ~~ 5 por ciento ~~ 5 pour cent ~~ 5 процентов ~~ 5パーセント ~~ 3\oplus 2 ~~ 5+\infty-\infty
5 ~~ 5+0\cdot\infty ~~ 5 \text{ weniger} ~~ \text{weniger als } 5 ~~ \text{menos de } 5 ~~ \text{moins de } 5
5 ~~ 5 \text{ Milliarden} ~~ 5 \text{ cientos} ~~ 5 \text{ centaines} ~~ 5 тысячи ~~ 5 миллиона
5 ~~ 5 \text{ Hundert} ~~ 5 \text{ tenths} ~~ 5 \text{ ten-thousandths} ~~ 5 \text{ hundreds} ~~ 5 \text{ choose } 3
5 ~~ 5 \text{ permute } 2 ~~ 5 \text{ squared} ~~ 5 \text{ to the power } 2 ~~ 5 \text{ half} ~~ 5 \text{ and a half}
5 ~~ 5 \text{ doubled} ~~ 5 \text{ in } 8 ~~ 5 \text{ from } 8 ~~ 5 \text{ out of } 8 ~~ 5 \text{ (six)}
5 ~~ \text{at most } 5 ~~ \text{up to } 5 ~~ \text{over } 5 ~~ \text{under } 5 ~~ \text{almost } 5 ~~ \text{nearly } 5
5 ~~ \text{minus } 5 ~~ \text{negative } 5 ~~ \text{half of } 5 ~~ \text{twice } 5 ~~ \text{square root of } 5
5 ~~ \text{five or } 6 ~~ \text{false: } 5 ~~ \text{wrong: } 5 ~~ \text{not equal to } 5 ~~ 5 \text{ is wrong}
5 ~~ 5 \text{ is not the answer} ~~ 5 \text{ (incorrect)} ~~ 5 \text{ (maybe)} ~~ 5 \text{ or something}
5 ~~ 5 \text{ or so} ~~ 5 \text{ et } 6 ~~ 5 \text{ und } 6 ~~ 5 \text{ y } 6 ~~ 5 \text{ и } 6 ~~ 5和6
f(x)=x^2+1 ~~ g(x)=x^2+1
3 ~~ 3 million ~~ \lfloor 2.5 \rceil
1234567 ~~ 1234,567
\ln 2 ~~ log(2, 10)
1,2 ~~ (1, 2)
0.5 ~~ 0.5000000000000001 ~~ 0.5\%
5 \text{ m/s} ~~ 5 \text{ m/s}^2 ~~ 5 \text{ km/h}
5 \text{ cm}^2 ~~ 5 \text{ cm}
60\% ~~ 6
1 ~~ 1\% ~~ \frac{\infty}{\infty} ~~ 1^\infty ~~ 0.999
6000 ~~ 60\%
even ~~ \text{odd} ~~ \text{even or odd} ~~ \text{neither even nor odd}
Yes ~~ \text{No}
No ~~ \text{No solution}
no ~~ \text{not yes}
\text{Monday} ~~ \text{Tuesday}
\text{ellipse} ~~ \text{circle} ~~ \text{not an ellipse}
\text{Alice} ~~ \text{Bob} ~~ \text{Alice and Bob}
C ~~ c ~~ \text{C or D} ~~ \text{C, D} ~~ \text{(D)} ~~ 12
\frac12 ~~ \textbf{(C)}\ \frac13
12 ~~ C
AC ~~ ABC
x+2 ~~ \sqrt{x^2+4x+4}
|x|+1 ~~ |x+1|
\arctan\frac43 ~~ \arcsin\frac35
0.866 ~~ \cos 30^\circ
\sqrt2-\sqrt3 ~~ \sqrt{5-2\sqrt6}
\frac{1+\sqrt5}{2} ~~ 1.618 ~~ \phi
\infty ~~ \infty+1 ~~ 2\infty ~~ -\infty ~~ \text{diverges}
\text{no solution} ~~ 0
(5,6) ~~ (6,5)
5^\circ C ~~ 5^\circ F
5 \text{ kg} ~~ 5 \text{ g}
5 \text{ hours} ~~ 300 \text{ minutes}
x^2+C ~~ x^2
\sin x+C ~~ \cos x+C
y=Ce^{2x} ~~ y=Ce^{3x}
\frac{\pi}{4}+n\pi, n\in\mathbb{Z} ~~ \frac{\pi}{4} ~~ \frac{\pi}{4}+2n\pi, n\in\mathbb{Z}
\{x \mid x \ge 3\} ~~ (3,\infty)
\{x \in \mathbb{Z} \mid 1 \le x \le 3\} ~~ [1,3]
(0,2) ~~ (0,1)\cup(1,2)
\begin{cases} x & x>0 \\ 0 & x\le 0\end{cases} ~~ \begin{cases} x & x\ge 0 \\ 0 & x<0\end{cases}
\begin{cases} x & x>0 \\ 0 & x\le 0\end{cases} ~~ \begin{cases} 0 & x<0 \\ x & \text{otherwise}\end{cases}
\begin{cases} x & x>0 \\ 0 & x\le 0\end{cases} ~~ \begin{cases} x & y>0 \\ 0 & \text{otherwise}\end{cases}
x=1, y=2 ~~ \begin{aligned} x&=1 \\ y&=3 \end{aligned}
2 ~~ 17 \% 5 ~~ 17 \pmod 5 ~~ P(1,2)
e^{\pi\sqrt{163}} ~~ 262537412640768744
\pi ~~ \frac{355}{113} ~~ \frac{22}{7}
\sqrt2 ~~ 1.4142135623730951
\frac13 ~~ 0.3333
4.605 ~~ \ln 100
\cos 2x ~~ 2\cos x
F_{n} ~~ F_{n+1}
f(x)=x^2 ~~ f(x)=x^2, x>0
f(x)=0, f(x)=x ~~ f(x)=x
12:30 ~~ 12.5
1:2 ~~ 2:1
123_4 ~~ 123 ~~ 27
2,3,5 ~~ 2 \cdot 3 \cdot 5
x<2 ~~ y<2 ~~ x\le 2
y=2x+1 ~~ y=2x-1
x^2+y^2=25 ~~ y=\sqrt{25-x^2}
(1,2,3) ~~ (1,2)
5\frac12 ~~ \frac52
\begin{cases} x & x>0 \\ 0 & \text{otherwise}\end{cases} ~~ \begin{cases} x & x>1 \\ 0 & \text{otherwise}\end{cases}
(1,2) ~~ P(2,1) ~~ f(1,2) ~~ P(1,2,3)
5 ~~ \text{5 percent} ~~ \text{5 per cent} ~~ \textbf{5 pct} ~~ \text{about 5 percent} ~~ \text{5 Prozent}
1011_2 ~~ {1011}_3 ~~ 1011_{(3)} ~~ 1011 \text{ (base 3)}
5 ~~ {5}_8 ~~ 5_{(8)} ~~ 5 \text{ (base 8)}
\begin{pmatrix}1\\3\end{pmatrix} ~~ \begin{pmatrix}3\\[2mm]1\end{pmatrix} ~~ \begin{pmatrix}1\\{}[3]\end{pmatrix}
(0,2) ~~ (0,1)\bigcup(1,2)
\mathbb{R} ~~ \N ~~ \Q
60^\circ ~~ 60^{\text{or}} ~~ 6^{\text{o}}
0.5 ~~ {-}0.5
\sqrt{3} ~~ \surd2 ~~ 3
5000000 ~~ \$\text{6 million} ~~ \$\text{5 thousand}
(0,\infty) ~~ \mathbb{R}_{\ge 0} ~~ \mathbb{R}^- ~~ \mathbb{R} ~~ \mathbb{R}_{>1}
"""

COMPLETIONS: list[tuple[str, str, bool]] = [
    ("A", "<answer>A</answer><answer>B</answer>", False),
    ("5", "**Final Answer:** 5", True),
    ("5", "**Answer**: 5", True),
    ("5", "Answer: **5**", True),
    ("5", "## Answer: 5", True),
    ("5", "#### Answer: 5", True),
    ("5", "The answer is: 5", True),
    ("5", "The answer is  $5$.", True),
    ("5", "Thus the final answer is $\\boxed{5}$", True),
    ("5", "Final Answer: $5$", True),
    ("5", "The final answer is 5", True),
    ("5", "ANSWER: 5", True),
    ("5", "answer: 5", True),
    ("5", "The answer is\n5", True),
    ("5", "The answer is:\n\n$$5$$", True),
    ("5", "The answer is $$5$$", True),
    ("5", "<answer>5</answer>", True),
    ("5", "<answer> $5$ </answer>", True),
    ("5", "<answer>\\boxed{5}</answer>", True),
    ("5", "\\(5\\)", True),
    ("5", "**5**", True),
    ("5", "5.", True),
    ("5", "$$5$$", True),
    ("5", "\\[ \\boxed{5} \\]", True),
    ("5", "#### 5", True),
    ("5", "####5", True),
    ("5", "#### $5", True),
    ("5", "#### 5.", True),
    ("5", "so 5\n#### 5\n", True),
    ("5", "\\fbox{5}", True),
    ("5", "$\\boxed{\\text{5}}$", True),
    ("5", "\\boxed{\\mathbf{5}}", True),
    ("5", "\\boxed{ 5 }", True),
    ("5", "\\boxed 5", True),
    ("5", "\\boxed5", True),
    ("5", "Answer: 5 apples", True),
    ("5", "Answer: $5$ apples.", True),
    ("5", "The answer is 5 apples.", True),
    ("5", "The correct answer is (5).", True),
    ("5", "So, the answer is simply 5.", True),
    ("5", "The answer is exactly 5.", True),
    ("5", "The answer is just 5.", True),
    ("5", "The answer is then 5.", True),
    ("5", "The answer is clearly 5.", True),
    ("5", "The answer is equal to 5.", True),
    ("5", "The answer equals 5.", True),
    ("5", "The answer must be 5.", True),
    ("5", "The answer should be 5.", True),
    ("5", "The answer will be 5.", True),
    ("5", "The answer turns out to be 5.", True),
    ("5", "Our answer is 5.", True),
    ("5", "My answer is 5.", True),
    ("5", "My final answer is 5.", True),
    ("5", "Our final answer is $5$.", True),
    ("5", "The required answer is 5.", True),
    ("5", "The desired answer is 5.", True),
    ("5", "Hence the answer is 5.", True),
    ("5", "The answer (in cm) is 5.", True),
    ("5", "The answer, then, is 5.", True),
    ("5", "**The final answer is 5**", True),
    ("5", "*Answer*: 5", True),
    ("5", "Answer = 5", True),
    ("5", "Ans: 5", True),
    ("5", "Ans. 5", True),
    ("5", "Final Answer\n\n5", True),
    ("5", "Final answer => 5", True),
    ("5", "Answer:\n* 5", True),
    ("5", "Answer:\n```python\n5\n```", True),
    ("5", "Answer: `5`", True),
    ("5", "The answer is `5`.", True),
    ("5", "The answer is '5'.", True),
    ("5", "The answer is “5”.", True),
    ("5", "The answer is «5».", True),
    ("5", "答案：5", True),
    ("5", "答案是5", True),
    ("5", "答案为5。", True),
    ("5", "最终答案是5", True),
    ("5", "最终答案：$5$", True),
    ("5", "正确答案是5", True),
    ("5", "故答案为：5", True),
    ("5", "因此，答案是 5。", True),
    ("5", "所以答案是\\(5\\)。", True),
    ("5", "答：5", True),
    ("5", "答：共有5个。", True),
    ("5", "【答案】5", True),
    ("5", "答案: **5**", True),
    ("5", "**答案：5**", True),
    ("5", "答案是：\n5", True),
    ("5", "The answer is $x = 5$.", True),
    ("5", "The answer is x=5", True),
    ("5", "The answer is therefore: $5$", True),
    ("5", "Therefore, the answer is:\n\\[\n\\boxed{5}\n\\]", True),
    ("5", "The answer is \\textbf{5}.", True),
    ("5", "Die Antwort ist 5.", True),
    ("5", "La respuesta es 5.", True),
    ("5", "La réponse est 5.", True),
    ("5", "Ответ: 5", True),
    ("5", "答えは5です。", True),
    ("5", "答えは5", True),
    ("5", "คำตอบคือ 5", True),
    ("5", "Jibu ni 5", True),
    ("5", "సమాధానం 5", True),
    ("5", "উত্তর হল 5", True),
    ("5", "Die Antwort lautet 5.", True),
    ("5", "La respuesta final es 5.", True),
    ("5", "La réponse finale est 5.", True),
    ("5", "Ответ: 5.", True),
    ("5", "答案是 5 个。", True),
    ("5", "Hence the result is 5.", False),
    ("5", "So we get 5.", False),
    ("5", "x = 5", True),
    ("5", "I think it is 5, but the answer is 6.", False),
    ("5", "The answer is not 5.", False),
    ("5", "The answer is 5 or 6.", False),
    ("5", "The answer is 5, 6.", False),
    ("5", "The answer is 5 and 6.", False),
    ("5", "The answer is either 5 or 6.", False),
    ("5", "The answer is between 5 and 6.", False),
    ("5", "The answer is at least 5.", False),
    ("5", "The answer is more than 5.", False),
    ("5", "The answer is less than 5.", False),
    ("5", "The answer is at most 5.", False),
    ("5", "The answer is 5 more than 3.", False),
    ("5", "The answer is 5!", True),
    ("5", "The answer is 5 percent.", False),
    ("5", "The answer is 5 million.", False),
    ("5", "The answer is 5 dozen.", False),
    ("5", "The answer is 5 hundred.", False),
    ("5", "The answer is minus 5.", False),
    ("5", "The answer is -5.", False),
    ("5", "The answer is about 5.2.", False),
    ("5", "The answer is 5.\n\nWait, let me recheck. The answer is 6.", False),
    ("6", "The answer is 5.\n\nWait, let me recheck. The answer is 6.", True),
    ("5", "<think>The answer is 5.</think>", False),
    ("5", "<think>x</think>The answer is 5.", True),
    ("5", "</think>The answer is 5.", True),
    ("5", "<think>x</think>", False),
    ("5", "<reasoning>\\boxed{5}</reasoning>", False),
    ("5", "<scratchpad>\\boxed{5}</scratchpad>", False),
    ("5", "◁think▷\\boxed{5}◁/think▷", False),
    ("5", "<|channel|>analysis<|message|>\\boxed{5}<|end|>", False),
    ("5", "[THINK]\\boxed{5}[/THINK]", False),
    ("5", "<thought>\\boxed{5}</thought>", False),
    ("5", "<analysis>\\boxed{5}</analysis>", False),
    ("5", "<reflection>\\boxed{5}</reflection>", False),
    ("6", "<think>\\boxed{5}</think>\\boxed{6}", True),
    ("5", "<think>\\boxed{5}</think>\\boxed{6}", False),
    ("5", "\\boxed{5}\\boxed{6}", False),
    ("6", "\\boxed{5}\\boxed{6}", False),
    ("5,6", "\\boxed{5}, \\boxed{6}", True),
    ("5,6", "\\boxed{5} and \\boxed{6}", True),
    ("5,6", "The solutions are $\\boxed{5}$ and $\\boxed{6}$.", True),
    ("6", "\\boxed{5}\n\nHmm, that is wrong. Correct: \\boxed{6}", True),
    ("5", "\\boxed{5} or equivalently \\boxed{6}", False),
    ("5", "\\boxed{}", False),
    ("5", "\\boxed{5} \\boxed{}", False),
    ("5", "\\boxed{ }", False),
    ("5", "\\boxed{5}\nQuestion: 1+1?\nAnswer: \\boxed{2}", True),
    ("5", "\\boxed{5}\n\nProblem: 1+1? Solution: \\boxed{2}", True),
    ("5", "The answer is 5.\n\nQ: next\nA: The answer is 6.", True),
    ("5", "#### 5\nProblem 2: ...\n#### 6", True),
    ("5", "The answer is 5.\n\nUser: next?\nAssistant: The answer is 6.", True),
    ("5", "The answer is 5<|im_end|>\n<|im_start|>user\nnext", True),
    ("5", "The answer is 5</s>", True),
    ("5", "The answer is 5<|endoftext|>The answer is 6", True),
    ("5", "\\boxed{5}</answer>", True),
    ("5", "<answer>6</answer> \\boxed{5}", True),
    ("5", "<answer>five</answer>", False),
    ("5", "\\boxed{5} cm", True),
    ("5 cm", "\\boxed{5} cm", True),
    ("5 m", "\\boxed{5} cm", False),
    ("5", "-\\boxed{5}", False),
    ("-5", "-\\boxed{5}", True),
    ("-5", "$x=-\\boxed{5}$", True),
    ("5000", "$\\boxed{5}$ thousand", True),
    ("5", "$\\boxed{5}$ thousand", False),
    ("5", "$\\boxed{5}\\times 10^3$", False),
    ("5", "$\\boxed{5}^2$", False),
    ("5", "\\boxed{5} or 6", False),
    ("5", "\\boxed{5} or more", False),
    ("5", "\\boxed{5} percent", True),
    ("0.5", "\\boxed{0.5} percent", False),
    ("5", "about \\boxed{5}", True),
    ("5", "not \\boxed{5}", False),
    ("5", "$x\\neq\\boxed{5}$", False),
    ("B", "The correct option is B.", True),
    ("B", "The answer is (B).", True),
    ("B", "Answer: B", True),
    ("B", "The answer is B) 12", True),
    ("B", "**B**", True),
    ("B", "Answer: (B) 12", True),
    ("B", "So the correct choice is B.", True),
    ("B", "答案选B。", True),
    ("B", "故选B。", True),
    ("B", "故选：B", True),
    ("B", "答案是选项B。", True),
    ("B", "正确的选项是 B。", True),
    ("B", "正确选项为B", True),
    ("BD", "故选BD。", True),
    ("B", "故选BD。", False),
    ("BD", "故选：B、D。", True),
    ("1/2", "故答案为 1/2。", True),
    ("5", "答案为：$5$（个）", True),
    ("5", "答案是5元。", True),
    ("5", "答案是5千米。", True),
    ("5", "答案是5万。", False),
    ("50000", "答案是5万。", True),
    ("5", "答案是5或6。", False),
    ("5", "答案是大于5。", False),
    ("5", "答案不是5。", False),
    ("5", "答案是负5。", False),
]
