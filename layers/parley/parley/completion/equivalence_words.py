"""Word lists of the semantic cache's guard: English in depth, other languages where one small word turns an answer."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _groups(text: str) -> dict[str, str]:
    """Each word of a line, mapped to the line's first word."""
    return {word: line.split()[0] for line in text.strip().splitlines() for word in line.split()}


# They carry an English question's grammar, not its subject: a difference in them alone is none, except as OPPOSED says.
FUNCTION_WORDS = _words("""
a an the this that these those it its itself i me my mine myself you your yours yourself we us our ours ourselves
they them their theirs themselves one ones be am is are been being was were do does did doing done has have had
having can could will would shall should may might must of in on at for to from with by about into through and or vs
as if so then there than what which who whom whose when where why how whatever some any many much several lot lots
please kindly tell hello hi hey thanks thank really actually just very quite exactly basically generally simply even
also get getting got find finding thing things way ways kind sort type
""")

# Function words that do turn the meaning where one question has the one and the other question the other.
OPPOSED = (
    ("from", "to"),
    ("from", "for"),
    ("from", "into"),
    ("from", "about"),
    ("from", "with"),
    ("about", "with"),
    ("about", "to"),
    ("with", "for"),
    ("and", "or"),
    ("some", "all"),
    ("any", "all"),
    ("many", "few"),
    ("many", "much"),
    ("much", "little"),
    ("this", "that"),
    ("on", "off"),
    ("in", "out"),
    ("i", "me"),
    ("we", "us"),
)

# Spellings and synonyms that no question turns on.
SYNONYMS = _groups("""
ad advert advertisement
advantage benefit pro
advice suggestion recommendation
affordable cheap inexpensive
anyone anybody people person somebody someone
app application
average typical
battle fight
beautiful pretty
begin start
best good great greatest nice top finest
big huge large
build built construct create
buy purchase
car automobile
centimeter cm cms centimetre
child children kid
choose pick select
clever intelligent smart
company firm
cost price
country nation
dad father
delete erase remove rid
difference different differ
difficult hard tough
disadvantage drawback con
doctor physician
dollar $
earn make making
end finish
easy easiest simple simplest
effect impact consequence
error mistake
euro €
exam examination
exercise workout
famous popular
film movie
foot feet ft
funny hilarious
happen occur
holiday vacation
hour hr hrs
government govt
important main major significant
inch inches
interesting amazing fascinating surprising
job employment
kilogram kg kgs kilo
kilometer km kms kilometre
lawyer attorney
liter litre
man men guy
mark score
math maths mathematics
meter metre
method technique
millimeter mm millimetre
minute min mins
mom mother mum
mystery secret
need require
opinion view
percent %
phone smartphone cellphone mobile cell
photo photograph picture pic image
pound lb lbs
program programme
quick fast quickly rapid rapidly fastly
faster quicker
reason cause
repair fix
rich wealthy
rupee ₹ rs
salary wage pay
speak talk
second sec secs
shop store
site website
summarize summarise summary
strange weird
suggest recommend
think believe
tv television
uk britain
usa america US
versus vs
wish want
woman women
year yr yrs
yen ¥
""")

NEGATIONS = _words("""
not no never none nobody nothing nowhere neither nor cannot without hardly barely scarcely rarely seldom unless except
excluding exclude omit lack lacking miss absent against but minus less least fewer free non un anti nearly almost
avoid refuse decline deny reject forbid ban prohibit stop cease quit prevent skip forget neglect refrain unable fail
nicht kein keine keinen keinem keiner keines nie niemals ohne niemand nichts weder
ne pas jamais sans rien aucun aucune guère
inte ej icke aldrig utan ingen inget inga inget varken
nunca jamás sin ningún ninguna ninguno nada nadie tampoco
non não niet geen nooit ikke aldri ei не нет
""")

DATES = _words("""
May january february march april june july august september october november december jan feb mar apr jun jul aug
sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thurs fri sat sun
weekday weekend dawn dusk sunrise sunset christmas easter quarterly annually former formerly current currently latest
earliest ex pre post yesterday today tomorrow tonight morning noon afternoon evening night midnight daily weekly monthly
yearly annual hourly spring summer autumn fall winter last next previous past upcoming recent future ago now before
after since until till during early late earlier later already yet still am pm bc ad bce januar februar märz mai
juni juli oktober dezember montag dienstag mittwoch donnerstag freitag samstag sonntag gestern heute morgen vorher
nachher vor nach januari februari mars maj augusti måndag tisdag onsdag torsdag fredag lördag söndag igår idag
imorgon före efter janvier février avril juin juillet août septembre octobre novembre décembre lundi mardi mercredi
jeudi vendredi samedi dimanche hier aujourd demain avant après enero febrero marzo abril mayo junio julio agosto
septiembre octubre noviembre diciembre lunes martes miércoles jueves viernes sábado domingo ayer hoy mañana antes
después
""")

UNITS = _words("""
second minute hour day week fortnight month year decade century
millimeter centimeter meter kilometer inch foot yard mile acre hectare
gram milligram microgram kilogram tonne ton ounce pound stone g mg mcg oz
liter milliliter gallon pint quart cup teaspoon tablespoon tsp tbsp ml dl cl
celsius fahrenheit kelvin degree percent percentage bit byte kilobyte megabyte gigabyte terabyte megabit gigabit
kb mb gb tb kB mB gB tB kbps mbps gbps kBps mBps gBps
watt kilowatt volt amp ampere joule calorie kilocalorie newton pascal bar psi hertz megahertz gigahertz
kwh kw hz mhz ghz mph kmh kph knot dollar euro cent krona kronor rupee yen yuan franc peso lakh crore
usd eur gbp sek inr jpy £ ° m k f c h s w v
dag dagar vecka veckor månad månader år timme timmar sekund sekunder
tag tage woche wochen monat monate jahr jahre stunde stunden sekunde sekunden
jour jours semaine semaines mois année heure heures seconde
día días semana semanas mes meses año años hora horas segundo minuto
""")

_COUNTED = """
zero null noll zéro cero
one
two zwei två deux dos second
three drei tre trois tres third
four vier fyra quatre cuatro fourth
five fünf fem cinq cinco fifth
six sechs seis sixth
seven sieben sju siete seventh
eight acht åtta huit ocho eighth
nine neun nio neuf nueve ninth
ten zehn tio dix diez tenth
eleven elva onze eleventh
twelve zwölf tolv douze doce twelfth
thirteen
fourteen
fifteen
sixteen
seventeen
eighteen
nineteen
twenty zwanzig tjugo vingt veinte twentieth
"""
# "one" is left out: it is a pronoun more often than a number.
NUMBERS = {
    word: str(value)
    for value, line in enumerate(_COUNTED.strip().splitlines())
    for word in line.split()
    if word not in ("one", "second")
} | {
    word: word
    for word in [
        "hundred",
        "thousand",
        "million",
        "billion",
        "trillion",
        "hundert",
        "tausend",
        "million",
        "milliard",
        "hundra",
        "tusen",
        "miljon",
        "miljard",
        "cent",
        "mille",
        "cien",
        "ciento",
        "mil",
        "half",
        "quarter",
        "third",
        "double",
        "triple",
        "twice",
        "thrice",
        "once",
        "dozen",
        "couple",
        "first",
        "halb",
        "hälfte",
        "doppelt",
        "hälften",
        "dubbelt",
        "moitié",
        "double",
        "mitad",
        "doble",
    ]
}
# "Twenty" and "one" make 21.
TENS = {
    word: 20 + 10 * place
    for place, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"])
}
DIGITS = {
    word: value
    for ordinals in (
        "one two three four five six seven eight nine",
        "first second third fourth fifth sixth seventh eighth ninth",
    )
    for value, word in enumerate(ordinals.split(), 1)
}
NUMBERS |= {word: str(value) for word, value in TENS.items()}
ROMAN = {"ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9", "xi": "11", "xii": "12"}

# The commonest words that tell the languages apart. Some are English too (a, do, me): a tie is English's.
LANGUAGES = {
    "de": _words("""
        der das den dem des ein eine einen einem und oder ist sind wie wer wo wann warum welche welcher welches
        ich du wir ihr sie mein dein nicht kein kann man mit für auf von zu zum zur bei nach im wird werden
        wurde haben hat soll muss mir es
    """),
    "sv": _words("""
        och eller är var vad vem hur när varför vilken vilket vilka jag du vi det den ett en min mitt din inte
        kan ska skall måste med för på av till från hos som om har hade blir blev finns gör att sig
    """),
    "fr": _words("""
        le la les un une des du de et ou est sont quel quelle quels quelles qui que quoi quand où pourquoi
        comment combien je tu il elle nous vous mon ma mes ton votre ne pas peut avec pour sur dans par au aux
        ce cette se fait faire puis-je puis
    """),
    "es": _words("""
        el la los las un una unos del de y o es son qué que quién cuál cuáles cuándo cuando dónde donde cómo
        como cuánto cuántos por para con sin en mi tu su puedo puede se hay está están ser hacer debo lo le al
    """),
    "pt": _words("""
        o a os as um uma do da dos das e ou é são que quem qual quais quando onde como por quanto para com não no na
        em eu meu minha seu sua posso pode fazer há se foi ao isso
    """),
    "it": _words("""
        il lo la gli le un una uno di del della dei delle e è sono che chi quale quali quando dove come perché quanto
        con non nel nella mio mia tuo posso può fare si da al alla
    """),
    "nl": _words("""
        de het een en of is zijn wie wat waar wanneer waarom hoe welke ik je jij hij zij wij mijn niet geen kan kun
        met voor op van te naar uit bij om moet heb heeft wordt dit dat
    """),
    "da": _words("""
        og eller er var hvad hva hvem hvor hvornår når hvorfor hvilken hvordan jeg du vi det den et en min mit din ikke
        kan skal må med for på af av til fra som om har ble blev gør ikkje å at
    """),
    "pl": _words("""
        i lub jest są co kto gdzie kiedy dlaczego jak jaki jaka jakie który która ile czy nie się na w z do mój moja
        mogę można dla od mi to
    """),
    "tr": _words("""ve veya mi mu mü ne kim nerede nedir kimdir zaman neden hangi kaç bir bu için ile değil"""),
    "id": _words("apa itu adalah yang dan atau di ke dari siapa mana kapan mengapa bagaimana saya anda tidak untuk"),
    "fi": _words("""ja tai on ovat mikä mitä kuka missä milloin miksi miten kuinka mikään ei minun voiko voinko se"""),
}

# What an answer may be asked for in, with or without a capital.
LANGUAGE_NAMES = _words("""
arabic bengali bulgarian chinese croatian czech danish dutch english esperanto estonian finnish french german greek
hebrew hindi hungarian icelandic indonesian irish italian japanese korean latin latvian lithuanian malay mandarin
norwegian persian polish portuguese punjabi romanian russian serbian slovak slovenian spanish swahili swedish tagalog
tamil telugu thai turkish ukrainian urdu vietnamese welsh deutsch français español italiano português svenska
""")

# What the first question word, or a leading verb, asks for. A yes-or-no question asks for one of a few verdicts.
QUESTION_WORDS = {
    "what": "what",
    "which": "what",
    "who": "who",
    "whom": "who",
    "whose": "who",
    "when": "when",
    "where": "where",
    "why": "why",
}
VERDICTS = {
    word: verdict
    for verdict, words in {
        "is": "is are am do does has have can could may might",
        "was": "was were did had",
        "will": "will",
        "would": "would",
        "should": "should shall",
        "must": "must",
    }.items()
    for word in words.split()
}
PAST = frozenset({"was", "were", "did", "had"})
FUTURE = frozenset({"will"})
AMOUNTS = _words("many much long often far old tall big large deep high heavy soon fast late good bad likely safe")
DETERMINERS = _words("a an the this that these those my your our their some any")
# What follows one of these has to follow it in both questions.
GOVERNING = _words("from than into onto over under before after without against")
PREPOSITIONS = GOVERNING | _words("of in on at for to with by about through during among via behind like")
# A courtesy is no question: "could you tell me", "does anyone know".
ASKED = _words("you someone somebody anyone anybody")
ASKING = _words("tell explain describe show give know recommend suggest list name")
PRICES = _words("cost costs price prices")
# Whose it is: "my" is not "your".
SUBJECTS = _words("i you we they one")
PERSONS = {
    word: person
    for person, words in enumerate(("my mine me myself", "your yours yourself", "our ours us", "their theirs them"))
    for word in words.split()
}
PRONOUNS = _words("i me you he him she they them we us it")
DO = frozenset({"do", "does", "did"})
AUXILIARIES = DO | _words(
    "am is are was were be been has have had can could will would shall should may must might need"
)
COORDINATORS = frozenset({"and", "or", "versus"})

CONTRACTED_VERBS = {"ll": "will", "re": "are", "ve": "have", "m": "am", "d": "would"}
CONTRACTIONS = {
    "can't": ("can", "not"),
    "won't": ("will", "not"),
    "shan't": ("shall", "not"),
    "cannot": ("can", "not"),
    "cant": ("can", "not"),
    "wont": ("will", "not"),
    "whats": ("what", "is"),
}
