"""Pairs of questions that look alike and want different answers, by what turns the answer; none may hit the cache.

Templates over several domains, filled, and hand-written pairs. Every second family is `held_out`: its failures were
looked at only after the others' were repaired. Three such pairs would have hit then; none does since.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple


class Pair(NamedTuple):
    kind: str
    question: str
    stored: str
    held_out: bool


def pairs() -> list[Pair]:
    """All of them, in a fixed order, each once."""
    made: dict[tuple[str, str], Pair] = {}
    for kind, families in FAMILIES.items():
        for number, family in enumerate(families):
            for question, stored in family:
                made.setdefault((question, stored), Pair(kind, question, stored, number % 2 == 1))
    return list(made.values())


Family = list[tuple[str, str]]


def _filled(template: str, *values: str) -> Family:
    """A family: the template with one value against the template with another, for each neighbouring two."""
    return [
        (template.format(one), template.format(other))
        for one, other in zip(values, values[1:] + values[:1], strict=True)
    ]


def _swapped(template: str, *couples: tuple[str, str]) -> Family:
    return [(template.format(a=a, b=b), template.format(a=b, b=a)) for a, b in couples]


def _negated(template: str, negated: str, *values: str) -> Family:
    return [(template.format(value), negated.format(value)) for value in values]


def _lines(text: str) -> list[Family]:
    """Hand-written pairs, one a line; each is a family of its own."""
    return [[(one.strip(), other.strip())] for one, other in (line.split("|") for line in text.strip().splitlines())]


NEGATION = [
    _negated(
        "Which {} should I eat during pregnancy?",
        "Which {} should I not eat during pregnancy?",
        "cheeses",
        "fish",
        "vegetables",
        "nuts",
    ),
    _negated("Why does my {} turn on?", "Why doesn't my {} turn on?", "laptop", "oven", "car radio", "heating"),
    _negated("Can I return {} without a receipt?", "Can I return {} with a receipt?", "shoes", "a phone", "a gift"),
    _negated(
        "What happens if I pay my {} on time?",
        "What happens if I never pay my {} on time?",
        "rent",
        "credit card bill",
        "taxes",
    ),
    _negated(
        "How do I deploy the {} with downtime?",
        "How do I deploy the {} without downtime?",
        "database",
        "API",
        "web shop",
    ),
    _negated("Who is allowed to see my {}?", "Who is not allowed to see my {}?", "salary", "medical records", "posts"),
    _negated("Is it legal to record {}?", "Is it illegal to record {}?", "a phone call", "the police", "a lecture"),
    _negated("Which {} are reversible?", "Which {} are irreversible?", "chemical reactions", "surgeries", "injuries"),
    _negated("Is {} safe for dogs?", "Is {} unsafe for dogs?", "chocolate", "peanut butter", "rice"),
    _negated("Should I accept {}?", "Should I refuse {}?", "the counter offer", "cookies", "a settlement"),
    _negated("Why do {} sleep at night?", "Why do {} hardly sleep at night?", "teenagers", "cats", "babies"),
    _negated("Do all {} need a visa?", "Do no {} need a visa?", "tourists", "students", "business travellers"),
    _negated("Which countries tax {}?", "Which countries don't tax {}?", "inheritances", "crypto gains", "dividends"),
    _negated("Kann man {} roh essen?", "Kann man {} nicht roh essen?", "Zucchini", "Pilze", "Bohnen"),
    _negated("Varför får jag {}?", "Varför får jag inte {}?", "skatteåterbäring", "svar på mejl", "barnbidrag"),
    _negated("Pourquoi {} fonctionne ?", "Pourquoi {} ne fonctionne pas ?", "le four", "la carte SIM", "le moteur"),
    _negated("¿Por qué puedo abrir {}?", "¿Por qué no puedo abrir {}?", "el archivo", "la cuenta", "la puerta"),
    _negated("Gibt es Medikamente gegen {}?", "Gibt es keine Medikamente gegen {}?", "Heuschnupfen", "Tinnitus"),
    _negated("Kan man köpa {} med legitimation?", "Kan man köpa {} utan legitimation?", "alkohol", "tobak"),
    _negated("Peut-on voyager avec {} ?", "Peut-on voyager sans {} ?", "un passeport", "assurance"),
    *_lines("""
        Is coffee good for you? | Is coffee not good for you?
        Can vegans eat honey? | Can't vegans eat honey?
        Why is Pluto a planet? | Why isn't Pluto a planet?
        How can I be sure he loves me? | How can I be sure he doesn't love me?
        Why would anyone vote for him? | Why would nobody vote for him?
        What can I do to fail the exam? | What can I do not to fail the exam?
        Did anything change in the contract? | Did nothing change in the contract?
        Which foods contain gluten? | Which foods lack gluten?
        Is the app available offline? | Is the app unavailable offline?
        How do I get a job with a degree? | How do I get a job without a degree?
        Should children have phones? | Shouldn't children have phones?
        What are the reasons to buy a house? | What are the reasons to avoid buying a house?
        Is there any risk in donating blood? | Is there no risk in donating blood?
        How do I let the dog bark? | How do I prevent the dog from barking?
        Can you sue an honest landlord? | Can you sue a dishonest landlord?
        Do I have to register my bike? | Do I never have to register my bike?
        Who may enter except members? | Who may enter, members?
        How to eat healthy food? | How to eat unhealthy food?
        When is a password secure? | When is a password insecure?
        Are viruses alive? | Are viruses not alive?
        Does he still work here? | Does he no longer work here?
        I can log in, why? | I cannot log in, why?
        Why are people religious? | Why are people non-religious?
        What is a conditional offer? | What is an unconditional offer?
        Is it normal to dream? | Is it abnormal to dream?
        Is it true that bats are blind? | Is it false that bats are blind?
        How do I enable two-factor authentication? | How do I disable two-factor authentication?
        Peut-on fumer ici ? | On ne peut pas fumer ici ?
        Posso entrare? | Non posso entrare?
    """),
]

NUMBER = [
    _filled("How do I feed a family of {} on a budget?", "3", "4", "6", "eight"),
    _filled("What can I buy in Lisbon for {} euros?", "15", "150", "1,500", "15,000"),
    _filled("Is a credit score of {} good?", "580", "680", "740"),
    _filled("What are the symptoms of stage {} kidney disease?", "2", "3", "4"),
    _filled("How do I upgrade from Python 3.{}?", "8", "9", "10", "11"),
    _filled("What does HTTP status {} mean?", "401", "403", "404", "500"),
    _filled("How long does it take to walk {} kilometres?", "five", "ten", "twelve", "twenty"),
    _filled("Who won the {} place at the marathon?", "first", "third", "fourth"),
    _filled("Can I drive after {} beers?", "two", "three", "four"),
    _filled("Is {} percent interest a good rate for a mortgage?", "2.5", "3.5", "25"),
    _filled("What is the square root of {}?", "144", "169", "-144"),
    _filled("What is article {} of the constitution about?", "5", "15", "51"),
    _filled("How do I split a bill between {} people?", "six", "7", "nine"),
    _filled("What is 12 {} 4?", "+", "-", "*", "/"),
    _filled("What happened in World War {}?", "II", "III"),
    _filled("How tall is the average {} year old?", "7", "8", "17"),
    _filled("How do I convert {} dollars to yen?", "a hundred", "a thousand", "a million"),
    _filled("Which iPhone {} case fits?", "12", "13", "14"),
    _filled("Was kostet ein Flug für {} Personen?", "zwei", "drei", "vier"),
    _filled("Hur bakar man bröd för {} personer?", "två", "tre", "fem"),
    _filled("Comment cuisiner pour {} personnes ?", "deux", "six", "huit"),
    _filled("¿Cómo cocino arroz para {} personas?", "dos", "tres", "siete"),
    *_lines("""
        What are 3 habits of rich people? | What are 30 habits of rich people?
        What is 3/4 as a decimal? | What is 4/3 as a decimal?
        Is it between 5 and 10? | Is it between 10 and 50?
        Do I need one vaccine dose? | Do I need two vaccine doses?
        How do I cut a cake into halves? | How do I cut a cake into thirds?
        How do I double my income? | How do I triple my income?
        Is 0.5 bigger than 0.25? | Is 0.25 bigger than 0.5?
        What if I take the pill once? | What if I take the pill twice?
        Why do I have 2 accounts? | Why do I have accounts?
        How many people live in a dozen villages? | How many people live in a hundred villages?
        Does 1 + 1 = 2? | Does 1 + 1 = 3?
        Which bus is number 14? | Which bus is number 41?
        Is x > 3? | Is x < 3?
        What is 2^3? | What is 3^2?
        Is it safe at -5 degrees? | Is it safe at 5 degrees?
        What was version 1.2.3? | What was version 1.3.2?
        How big is a 1:100 model? | How big is a 1:1000 model?
        How do I save 10% of my income? | How do I save 20% of my income?
        What is the 4th amendment? | What is the 14th amendment?
        How did Henry VI die? | How did Henry VIII die?
        Is a half better than a third? | Is a third better than a half?
        When did WW1 end? | When did WW2 end?
        Is a 5-year loan good? | Is a 15-year loan good?
        Is vitamin B12 good? | Is vitamin B6 good?
    """),
]

UNIT = [
    _filled("How far can I run in ten {}?", "minutes", "seconds", "hours"),
    _filled("Is 40 {} too hot for a baby bath?", "degrees Celsius", "degrees Fahrenheit", "°C", "°F"),
    _filled("What is the dose of ibuprofen, 200 {}?", "mg", "g", "mcg"),
    _filled("How fast is 100 {}?", "km/h", "mph", "knots"),
    _filled("How many {} of water do I need a day?", "litres", "cups", "ounces", "gallons"),
    _filled("What weighs 5 {}?", "kg", "pounds", "tons", "stone"),
    _filled("Is 500 {} enough storage?", "GB", "MB", "TB"),
    _filled("Can I live on 2,000 {} a month?", "euros", "dollars", "pounds", "rupees"),
    _filled("How many {} are in a mile?", "feet", "yards", "inches", "meters"),
    _filled("What does a download speed of 50 {} mean?", "Mbps", "MBps", "Gbps"),
    _filled("How much does a house of 120 square {} cost?", "feet", "meters", "yards"),
    _filled("What is the warranty, two {}?", "weeks", "months", "years"),
    _filled("How is power measured in {}?", "watts", "kilowatts", "volts"),
    _filled("How many calories per {} of sugar?", "teaspoon", "tablespoon", "cup"),
    _filled("How do I get 3 {} of rope?", "m", "cm", "km"),
    _filled("How much do you earn per {}?", "hour", "week", "month", "year"),
    _filled("Wie viel ist eine {} Gold wert?", "Unze", "Tonne"),
    _filled("Hur mycket kostar el per {}?", "timme", "vecka", "månad"),
    _filled("Combien de {} pour lire ce livre ?", "jours", "semaines", "mois"),
    _filled("¿Cuántos {} dura el curso?", "días", "meses", "años"),
    *_lines("""
        Is $20 enough for lunch? | Is €20 enough for lunch?
        Is £50 a lot? | Is ¥50 a lot?
        How much is 10% off? | How much is $10 off?
        How many bits in a kilobyte? | How many bits in a kilobit?
        What is 5 ft in cm? | What is 5 ft in m?
        How long is 3 h? | How long is 3 s?
        What is 60 bpm? | What is 60 rpm?
        Can a car reach 200 km? | Can a car reach 200 km/h?
        How many joules in a calorie? | How many joules in a kilocalorie?
        Is 8 GB of memory enough? | Is 8 Gb of memory enough?
        How many decades ago was it? | How many centuries ago was it?
        What is 30 psi? | What is 30 bar?
        What is 2 million USD? | What is 2 million INR?
        How big is 1 hectare? | How big is 1 acre?
        How much is 100 ml? | How much is 100 dl?
        What runs at 5 GHz? | What runs at 5 MHz?
        How many minutes in a day? | How many minutes in a week?
        Is 3 volts dangerous? | Is 3 amps dangerous?
        What is the speed of light in m/s? | What is the speed of light in km/s?
        How do I convert 10 miles to km? | How do I convert 10 km to miles?
        What is 100 Fahrenheit in Celsius? | What is 100 Celsius in Fahrenheit?
        How old is 30 in dog years? | How old is 30 in dog months?
        What is 10 to the power of six in Kelvin? | What is 10 to the power of six in Celsius?
    """),
]

DATE = [
    _filled("What is the weather like in Oslo in {}?", "May", "June", "October", "January"),
    _filled("Who won the world cup in {}?", "1998", "2002", "2014", "2022"),
    _filled("Are banks open on {}?", "Monday", "Saturday", "Sunday"),
    _filled("What is on television {}?", "today", "tonight", "tomorrow"),
    _filled("What should I eat {} a workout?", "before", "after", "during"),
    _filled("Where can I ski in {}?", "winter", "summer", "spring"),
    _filled("What were the best films {} year?", "this", "last", "next"),
    _filled("What did the company report for the {} quarter?", "first", "third", "fourth"),
    _filled("How were houses built in the {} century?", "17th", "18th", "19th"),
    _filled("Is the museum open on March {}?", "3", "4", "13"),
    _filled("What music was popular in the {}?", "1970s", "1980s", "1990s"),
    _filled("When is the deadline, {}?", "5/6/2024", "6/5/2024", "5/6/2025"),
    _filled("Is it healthy to run in the {}?", "morning", "evening", "afternoon"),
    _filled("Does the train leave at 7 {}?", "am", "pm"),
    _filled("What happens if I call {} 9 o'clock?", "before", "after", "until"),
    _filled("Who was president {} the war?", "before", "during", "after"),
    _filled("Wie wird das Wetter {}?", "heute", "morgen", "gestern"),
    _filled("Vilka affärer är öppna på {}?", "måndag", "lördag", "söndag"),
    _filled("Où partir en vacances en {} ?", "janvier", "juillet", "novembre"),
    _filled("¿Qué tiempo hace en {}?", "enero", "agosto", "diciembre"),
    *_lines("""
        Who is the king of Denmark? | Who was the king of Denmark?
        What will happen to the euro? | What happened to the euro?
        Is the shop open now? | Is the shop open later?
        How was life in 500 BC? | How was life in 500 AD?
        What is the current inflation rate? | What is the previous inflation rate?
        What did she say yesterday? | What did she say today?
        How do I book for New Year's Eve? | How do I book for Christmas Eve?
        Is the tax due in early April? | Is the tax due in late April?
        What changed since 2019? | What changed until 2019?
        What are the daily limits? | What are the monthly limits?
        Do shops open on weekdays? | Do shops open on weekends?
        Did it rain last week? | Did it rain last month?
        Where are the Olympics in 2028? | Where are the Olympics?
        How was the economy in Q1 2023? | How was the economy in Q3 2023?
        Is 12 noon busy? | Is 12 midnight busy?
        Who will win the election? | Who won the election?
        What time is it at 10:30? | What time is it at 11:30?
        Is Monday the 1st a holiday? | Is Monday the 8th a holiday?
        Do I have to pay weekly? | Do I have to pay annually?
        What is due in Jan? | What is due in Jun?
        What are the office hours on Monday? | What are the office hours?
        Who was the first president? | Who is the first president?
        What is the weather this weekend? | What is the weather this week?
    """),
]

_CITIES = (("Paris", "Rome"), ("Stockholm", "Berlin"), ("London", "New York"), ("Madrid", "Lisbon"))
ENTITY = [
    _swapped("How do I get from {a} to {b} by train?", *_CITIES),
    _swapped("Why did {a} invade {b}?", ("Germany", "France"), ("Rome", "Carthage"), ("Iraq", "Kuwait")),
    _swapped(
        "Is {a} better than {b}?", ("Python", "Java"), ("coffee", "tea"), ("Messi", "Ronaldo"), ("gold", "silver")
    ),
    _swapped("How do I convert {a} into {b}?", ("PDF", "Word"), ("sugar", "ethanol"), ("euros", "dollars")),
    _swapped("Can a {a} sue a {b}?", ("tenant", "landlord"), ("patient", "doctor"), ("teacher", "parent")),
    _swapped(
        "Should I take {a} before {b}?", ("calculus", "physics"), ("vitamins", "breakfast"), ("creatine", "protein")
    ),
    _swapped("Do {a} eat {b}?", ("snakes", "frogs"), ("sharks", "dolphins"), ("spiders", "ants")),
    _swapped("How do I move my contacts from an {a} to a {b}?", ("iPhone", "Samsung"), ("Outlook", "Gmail")),
    _swapped("Does {a} cause {b}?", ("stress", "insomnia"), ("poverty", "crime"), ("anxiety", "depression")),
    _swapped("What does {a} think of {b}?", ("Alice", "Bob"), ("Obama", "Trump"), ("Nietzsche", "Wagner")),
    _swapped("How many {a} are in a {b}?", ("feet", "mile"), ("kilobytes", "megabyte")),
    _swapped("Why is {a} richer than {b}?", ("Norway", "Sweden"), ("Musk", "Bezos")),
    _filled("What is the capital of {}?", "Sweden", "Norway", "Finland", "Austria", "Australia"),
    _filled("How do I cancel my {} subscription?", "Netflix", "Spotify", "Disney", "Adobe"),
    _filled("What are the side effects of {}?", "ibuprofen", "paracetamol", "aspirin", "metformin"),
    _filled("How do I sort a list in {}?", "Python", "Java", "C", "C++", "C#"),
    _filled("Who wrote {}?", "Hamlet", "Faust", "Dracula", "Emma"),
    _filled("What is the population of {}?", "North Korea", "South Korea", "Ireland", "Northern Ireland"),
    _filled("What is the salary of a {} in Germany?", "nurse", "pilot", "teacher", "plumber"),
    _filled("Who founded {}?", "Apple", "Microsoft", "Amazon", "Tesla"),
    _filled("How do I treat a {} bite?", "dog", "snake", "spider", "tick"),
    _filled("Where is vitamin {} found?", "A", "B", "C", "D"),
    _filled("Wie heißt die Hauptstadt von {}?", "Spanien", "Portugal", "Polen"),
    _filled("Vem är statsminister i {}?", "Sverige", "Norge", "Danmark"),
    *_lines("""
        Who killed Hector, Achilles? | Who killed Achilles, Hector?
        Did Anna marry Tom's brother? | Did Tom marry Anna's brother?
        Does the moon orbit the earth? | Does the earth orbit the moon?
        Was Caesar killed by Brutus? | Was Brutus killed by Caesar?
        Should I learn to drive or to swim first? | Should I learn to drive or to fly first?
        Can the boy's dog bite the girl? | Can the girl's dog bite the boy?
        Was Austria attacked by Prussia? | Did Austria attack Prussia?
        Is my sister taller than my brother? | Is my brother taller than my sister?
        How do I send money from PayPal to my bank? | How do I send money from my bank to PayPal?
        Does he owe her money? | Does she owe him money?
        What is Will Smith's age? | What is Sam Smith's age?
        Is it cheaper to fly to the US? | Is it cheaper to fly to the UK?
        Where is Georgia the country? | Where is Georgia the state?
        Who is the CEO of Google? | Who is the CTO of Google?
        What is the best phone by Apple? | What is the best phone by Nokia?
        What is the plot of Star Wars? | What is the plot of Star Trek?
        How is Iran's economy? | How is Iraq's economy?
        How far is Mars from Venus? | How far is Mars from Earth?
        Does water turn into steam? | Does steam turn into water?
        Can I sue you? | Can you sue me?
        Can my landlord evict me? | Can I evict my landlord?
        Who should I pay? | Who should pay me?
        did germany invade poland | did poland invade germany
        Was the letter sent by John to Mary? | Was the letter sent by Mary to John?
        What percentage of women earn more than men? | What percentage of men earn more than women?
        What is the population of Paris, France? | What is the population of Paris, Texas?
        What is the exchange rate of USD to EUR? | What is the exchange rate of EUR to USD?
        How do I log in? | How do I log out?
        How do I turn on the light? | How do I turn off the light?
        How do I translate English into French? | How do I translate French into English?
    """),
]

_SAME_QUESTION = [
    (
        "What is the capital of France?",
        "Was ist die Hauptstadt von Frankreich?",
        "Vad är Frankrikes huvudstad?",
        "Quelle est la capitale de la France ?",
        "¿Cuál es la capital de Francia?",
    ),
    (
        "How do I reset my password?",
        "Wie setze ich mein Passwort zurück?",
        "Hur återställer jag mitt lösenord?",
        "Comment réinitialiser mon mot de passe ?",
        "¿Cómo restablezco mi contraseña?",
    ),
    (
        "Where is the nearest hospital?",
        "Wo ist das nächste Krankenhaus?",
        "Var ligger närmaste sjukhus?",
        "Où est l'hôpital le plus proche ?",
        "¿Dónde está el hospital más cercano?",
    ),
    ("Is Docker free?", "Ist Docker kostenlos?", "Är Docker gratis?", "Docker est-il gratuit ?", "¿Docker es gratis?"),
    (
        "How old is the Louvre in Paris?",
        "Wie alt ist der Louvre in Paris?",
        "Hur gammalt är Louvren i Paris?",
        "Quel âge a le Louvre à Paris ?",
        "¿Cuántos años tiene el Louvre de París?",
    ),
]
LANGUAGE = [
    *([(one, other) for one, other in permutations(versions, 2)] for versions in _SAME_QUESTION),
    _filled("How do you say good morning in {}?", "Swedish", "German", "French", "Spanish", "Italian"),
    _filled("How do I write a cover letter in {}?", "English", "French", "Dutch"),
    _filled("Translate this sentence to {}", "German", "Spanish", "Japanese"),
    _filled("Is {} hard to learn?", "Finnish", "Danish", "Russian", "Arabic"),
    *_lines("""
        Hotel Berlin Alexanderplatz? | Hôtel Berlin Alexanderplatz ?
        Was kostet ein Taxi in Wien? | What costs a taxi in Wien?
        What is Python? | ¿Qué es Python?
        What is Python? | Was ist Python?
        Vad är Python? | Was ist Python?
        What is Python? | Python 是什么?
        What is Python? | Что такое Python?
        Is pizza Italian? | La pizza è italiana?
        Who is Angela Merkel? | Wer ist Angela Merkel?
        Vem är Angela Merkel? | Wer ist Angela Merkel?
        Who is Angela Merkel? | Qui est Angela Merkel ?
        Can I use Spotify in Peru? | Kan jag använda Spotify i Peru?
        Name a good restaurant in Bonn | Nenne ein gutes Restaurant in Bonn
        Ist das Internet sicher? | Is the Internet sicher?
    """),
]

FAMILIES: dict[str, list[Family]] = {
    "negation": NEGATION,
    "number": NUMBER,
    "unit": UNIT,
    "date": DATE,
    "entity swap": ENTITY,
    "language": LANGUAGE,
}


def both_ways() -> Iterator[Pair]:
    """Each pair, and each with new and stored question exchanged."""
    for pair in pairs():
        yield pair
        yield pair._replace(question=pair.stored, stored=pair.question)
