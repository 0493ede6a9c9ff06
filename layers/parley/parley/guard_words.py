"""Word lists of the semantic cache's guard: English in depth, other languages where one small word turns an answer."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _groups(text: str) -> dict[str, str]:
    """Each word of a line maps to the line's first word."""
    return {word: line.split()[0] for line in text.strip().splitlines() for word in line.split()}


# Words that carry an English question's grammar and not its subject: a difference in them alone is none, but for OPPOSED.
FUNCTION_WORDS = _words("""
a an the this that these those it its itself i me my mine myself you your yours yourself we us our ours ourselves one ones
be am is are been being was were do does did doing done has have had having can could will would shall should may might must
of in on at for to from with by about into through and or as if so then there than
what which who whom whose when where why how whatever some any many much several lot lots
please kindly tell hello hi hey thanks thank really actually just very quite exactly basically generally simply even also
get got find thing things way ways kind sort type
""")

# Function words that do turn the meaning where they stand against each other.
OPPOSED = frozenset(
    tuple(pair.split("/"))
    for pair in "from/to from/for with/for with/to by/and by/to or/and many/much some/all any/all many/few much/little".split()
)

# Common words that say little about the subject: left over on one side they weigh less, but they are never overlooked.
LIGHT_WORDS = _words("""
good better best great nice well different difference own new people person someone anyone everyone everything something
anything use make take go become want need like look feel think believe mean consider call know say explain describe list
name suggest recommend give help work learn start try keep happen effective effectively easy easily easiest quick quickly
possible important main major real true certain specific particular simple proper properly right correct world life time
today day example advice tip idea suggestion opinion view thought reason method step favorite famous popular interesting
common usual considered according up out all most more too each every such total entire whole various available ever
""")

# Spellings and synonyms that no question turns on.
SAME_WORDS = _groups("""
photo photograph picture pic image
movie film
phone smartphone cellphone handset mobile cell
begin start
buy purchase
fix repair
quit stop
big large
fast quick
fastly quickly
job career employment
company firm
weight kilos
pc computer
tv television
advice tip suggestion
method technique
vs versus
usa us america states
uk britain
pm minister
""")

NEGATIONS = _words("""
not no never none nobody nothing nowhere neither nor cannot without hardly barely scarcely rarely seldom unless except
excluding lack avoid refuse stop prevent unable fail
nicht kein keine keinen keinem keiner keines nie niemals ohne niemand weder
ne pas jamais sans rien aucun aucune personne guère
inte ej icke aldrig utan ingen inget inga varken
nunca jamás sin ningún ninguna ninguno nada nadie tampoco
non não niet geen nooit ikke aldri ei не нет
""")

DATE_WORDS = _words("""
january february april june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec
monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat weekday weekend
yesterday today tomorrow tonight morning noon afternoon evening night midnight
spring summer autumn fall winter last next previous past upcoming recent future ago now before after since until till during
january's bc ad bce ce am pm
januar februar märz mai juni juli oktober dezember montag dienstag mittwoch donnerstag freitag samstag sonntag
gestern heute morgen januari februari mars maj augusti måndag tisdag onsdag torsdag fredag lördag söndag igår idag imorgon
janvier février avril juin juillet août septembre octobre novembre décembre lundi mardi mercredi jeudi vendredi samedi dimanche
hier aujourd demain enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
lunes martes miércoles jueves viernes sábado domingo ayer hoy mañana
""")

UNITS = _words("""
second minute hour day week month quarter year decade century
millimeter centimeter meter kilometer inch foot feet yard mile acre hectare
gram milligram microgram kilogram kilo tonne ton ounce pound lb stone
liter litre milliliter millilitre gallon pint quart cup teaspoon tablespoon tsp tbsp
celsius fahrenheit kelvin degree percent percentage point bit byte kilobyte megabyte gigabyte terabyte megabit gigabit
watt kilowatt volt amp ampere joule calorie kilocalorie newton pascal bar psi hertz megahertz gigahertz
dollar euro cent krona kronor rupee yen yuan franc peso lakh crore usd eur gbp sek inr mph kmh kph knot
km cm mm mg kg ml kb mb gb tb mbps gbps kwh kw hz mhz ghz
""")

_NUMBERS = """
zero null noll zéro cero
two zwei två deux dos
three drei tre trois tres
four vier fyra quatre cuatro
five fünf fem cinq cinco
six sechs sex seis
seven sieben sju sept siete
eight acht åtta huit ocho
nine neun nio neuf nueve
ten zehn tio dix diez
"""
NUMBER_WORDS = {}
