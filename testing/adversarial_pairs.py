"""Pairs of questions that look alike and want different answers, by what turns the answer; none may hit the cache.

Templates over several domains, filled, and hand-written pairs. Every second of those families was held out: its
failures were looked at only after the others' were repaired. What `FRESH` has was written by somebody who had not read
the rules, or, the later two batches, after the failures of the batch before were repaired.
"""

# ruff: noqa: RUF001 - letters that look like others are the point of some pairs

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple


class Pair(NamedTuple):
    kind: str
    question: str
    stored: str
    origin: str


def pairs() -> list[Pair]:
    """All of them, in a fixed order, each once."""
    made: dict[tuple[str, str], Pair] = {}
    for kind, families in FAMILIES.items():
        for number, family in enumerate(families):
            for question, stored in family:
                origin = "held-out templates" if number % 2 else "templates in view"
                made.setdefault((question, stored), Pair(kind, question, stored, origin))
        for batch, texts in FRESH.items():
            for family in _lines(texts[kind]):
                for question, stored in family:
                    made.setdefault((question, stored), Pair(kind, question, stored, batch))
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

# The first batch met the rules as they were: 1.5 % of it would have hit. Of the second 2.6 %, of the third 0.8 %.
FRESH: dict[str, dict[str, str]] = {
    "first fresh batch": {
        "negation": """
            Can I take ibuprofen with coffee? | Can't I take ibuprofen with coffee?
            Which vaccines are mandatory for Kenya? | Which vaccines are not mandatory for Kenya?
            Why does my sourdough rise in the fridge? | Why doesn't my sourdough rise in the fridge?
            Show me the invoices that were paid in March. | Show me the invoices that were never paid in March.
            Is it legal to record a phone call with consent? | Is it legal to record a phone call without consent?
            Who is eligible for the housing benefit? | Who is ineligible for the housing benefit?
            List the airports with a train connection | List the airports lacking a train connection
            What happens if I sign the contract? | What happens if I refuse to sign the contract?
            Tell me which mushrooms are edible. | Tell me which mushrooms are inedible.
            How do I enable two-factor authentication? | How do I disable two-factor authentication?
            Should I water a cactus in winter? | Should I avoid watering a cactus in winter?
            Which of these foods contain gluten? | Which of these foods contain no gluten?
            What can dogs eat safely? | What can't dogs eat safely?
            Are there any flights to Lima on Sundays? | Are there no flights to Lima on Sundays?
            Explain why the patch works. | Explain why the patch won't work.
            Does the warranty cover water damage? | Does the warranty exclude water damage?
            My printer is responding, what should I do? | My printer isn’t responding, what should I do?
            Find recipes with nuts | Find recipes without nuts
            Find me recipes that have nuts in them | I'd like nut-free recipes
            Do I need a visa for Japan? | Do I not need a visa for Japan?
            Which countries have signed the treaty? | Which countries haven't signed the treaty?
            Who voted for the amendment? | Who voted against the amendment?
            When should I use a mutex? | When should I not use a mutex?
            Is this berry poisonous? | Is this berry non-poisonous?
            Give me examples of reversible reactions. | Give me examples of irreversible reactions.
            What makes a process legal? | What makes a process illegal?
            How can I be more patient with kids? | How can I be less impatient with kids and never patient?
            Which employees attended the training? | Which employees missed the training?
            Why is the sky blue at noon? | Why is the sky not blue at noon?
            Are unsigned commits accepted by the server? | Are signed commits accepted by the server?
            Do cats like being alone? | Do cats dislike being alone?
            Can vegetarians eat gelatin? | Can non-vegetarians eat gelatin?
            Name the planets that have moons | Name the planets that have no moons
            The test passes on my laptop. Why? | The test fails on my laptop. Why?
            Is it safe to swim here after rain? | Is it unsafe to swim here after rain?
            Which stocks pay dividends? | Which stocks do not pay dividends?
            Please include the appendix in the summary. | Please leave out the appendix in the summary.
            How do I connect my headphones to the TV? | How do I disconnect my headphones to the TV?
            What should I say at a funeral? | What should I never say at a funeral?
            Everyone passed the exam, didn't they? | Nobody passed the exam, did they?
            Did anyone survive the eruption? | Did no one survive the eruption?
            Has the parcel left the depot? | Hasn't the parcel left the depot yet?
            You must wear a helmet on this site, right? | You needn't wear a helmet on this site, right?
            Why would a landlord accept pets? | Why would a landlord refuse pets?
            Which plants need direct sunlight? | Which plants need no direct sunlight?
            How do I install the driver on Linux? | How do I uninstall the driver on Linux?
            What are signs of a healthy relationship? | What are signs of an unhealthy relationship?
            Is the answer defined for negative numbers? | Is the answer undefined for negative numbers?
            Can I travel with my dog on the ferry? | Can I travel on the ferry if I don't bring my dog?
            What should I do when my kid eats vegetables? | What should I do when my kid won't eat vegetables?
            Which US states allow open carry? | Which US states prohibit open carry?
            who can apply for the grant | who cannot apply for the grant
            How do I lock the screen? | How do I unlock the screen?
            Which regions were affected by the outage? | Which regions were unaffected by the outage?
            Are electric scooters permitted on trains? | Are electric scooters forbidden on trains?
            I can log in to my account. What now? | I cannot log in to my account. What now?
            Why are bats considered dangerous? | Why aren't bats considered dangerous?
            Should the function return a value? | Should the function return nothing?
            What to do if the baby is breathing? | What to do if the baby is not breathing?
            Translate only the headings. | Translate everything except the headings.
            Which apps work offline? | Which apps don’t work offline?
            Do all mammals lay eggs? | Do any mammals not lay eggs?
            How often should I wash raw denim? | Why should I never wash raw denim?
            Tell me about drugs that interact with grapefruit | Tell me about drugs that do not interact with grapefruit
            Is there a way to undo a git rebase? | Is there no way to undo a git rebase?
            Would you recommend this hotel? | Wouldn't you recommend against this hotel?
            Describe a dependent variable. | Describe an independent variable.
            What is the perfect number for a committee? | What is the imperfect number for a committee?
            Which passengers had a ticket? | Which passengers had neither a ticket nor a pass?
            Are the results significant? | Are the results insignificant?
            How should I respond to polite customers? | How should I respond to impolite customers?
            When do I qualify for overtime pay? | When do I not qualify for overtime pay?
            Which bacteria are resistant to penicillin? | Which bacteria are nonresistant to penicillin?
            I have eaten breakfast; may I take the pill? | I have not eaten breakfast; may I take the pill?
            I've eaten already, is it OK to take the tablet? | Is it OK to take the tablet if I haven't eaten yet?
            Can you see the moon tonight? | Can you hardly see the moon tonight?
            Is the museum open during renovation? | Isn't the museum closed during renovation?
            Which parts of the law still apply? | Which parts of the law no longer apply?
            How do I turn on location services? | How do I turn off location services?
            Why did the rocket reach orbit? | Why did the rocket fail to reach orbit?
            What causes appetite? | What causes a lack of appetite?
            Who supported the reform? | Who opposed the reform?
            Are there stable isotopes of tin? | Are there unstable isotopes of tin?
            Why do people trust banks? | Why do people distrust banks?
            How do I load the module at startup? | How do I unload the module at startup?
            What does the manual say about using bleach? | What does the manual say about not using bleach?
            Does the plan include dental care? | Does the plan include anything but dental care?
            Which files are tracked by git? | Which files are untracked by git?
            Is there a cure for tinnitus? | There's no cure for tinnitus, is there?
            We should deploy today because the tests are green. | We shouldn't deploy today because the tests are green.
            Can you lose weight by eating carbs? | Can you lose weight by eating no carbs?
            Which questions were answered? | Which questions were left unanswered?
            What is an acceptable excuse for being late? | What is an unacceptable excuse for being late?
            Do I have to declare gifts to customs? | Do I have to declare nothing to customs?
            What are some common nouns in English? | What are some uncommon nouns in English?
            He is responsible; how do I tell the team? | He is irresponsible; how do I tell the team?
            How do I know whether my landlord is honest? | How do I know whether my landlord is dishonest?
            List people who agree with the proposal. | List people who disagree with the proposal.
            Where may I park? | Where may I not park?
            In which cases did the treatment help? | In which cases did the treatment not help?
            Was the suspect aware of the camera? | Was the suspect unaware of the camera?
            What do doctors say about drinking milk at night? | What do doctors say about never drinking milk at night?
        """,
        "number": """
            What is 15% of 240? | What is 25% of 240?
            How do I cook rice for 4 people? | How do I cook rice for 6 people?
            List the top three beaches in Greece. | List the top five beaches in Greece.
            Who was the 16th president of the United States? | Who was the 18th president of the United States?
            What is the square root of 144? | What is the square root of 169?
            How many calories are in two eggs? | How many calories are in three eggs?
            What happens in the first trimester? | What happens in the third trimester?
            What is 3.5 times 8? | What is 35 times 8?
            Explain the second law of thermodynamics. | Explain the first law of thermodynamics.
            Convert one half to a percentage. | Convert one quarter to a percentage.
            How long does it take to run 5 km? | How long does it take to run 10 km?
            What can I buy for $20? | What can I buy for $200?
            Is 91 a prime number? | Is 97 a prime number?
            Give me ten synonyms for happy | Give me a dozen synonyms for happy
            What is 2/3 of 90? | What is 1/3 of 90?
            How much is a 1.5 carat diamond? | How much is a 2.5 carat diamond?
            Write a 500-word essay about bees. | Write a 1000-word essay about bees.
            Please write an essay of 500 words on bees. | Compose a 1,500-word essay about bees, please.
            Can I get a loan with a credit score of 620? | Can I get a loan with a credit score of 720?
            Who won the twentieth stage? | Who won the twenty-first stage?
            How do I divide a cake into eight pieces? | How do I divide a cake into nine pieces?
            What are the rights of a 16 year old worker? | What are the rights of an 18 year old worker?
            Is six hours of sleep enough? | Is eight hours of sleep enough?
            Tell me what article 5 of the treaty says. | Tell me what article 50 of the treaty says.
            Which bus goes to platform 9? | Which bus goes to platform 6?
            How many zeros are in a million? | How many zeros are in a billion?
            What does error 404 mean? | What does error 403 mean?
            Solve 2x + 3 = 11 | Solve 2x + 3 = 13
            Is a 0.5 mg dose too low? | Is a 0.05 mg dose too low?
            Set an alarm in twenty minutes. | Set an alarm in thirty minutes.
            Can you fit a queen bed in a 9x10 room? | Can you fit a queen bed in a 9x12 room?
            What's the tip on 80 dollars? | What's the tip on eighteen dollars?
            How many people live in a 3 bedroom flat on average? | How many people live in a 2 bedroom flat on average?
            Summarize the text in two sentences. | Summarize the text in one sentence.
            Give me a summary in two sentences of this text | Summarise this text in seven sentences
            Which port does HTTP use, 80? | Which port does HTTP use, 8080?
            Is half a tablet enough for a child? | Is a quarter of a tablet enough for a child?
            How do I beat level 12? | How do I beat level 21?
            Is a temperature of 38.2 dangerous? | Is a temperature of 39.8 dangerous?
            What is the factorial of six? | What is the factorial of seven?
            Find flats below 900 euros | Find flats below 1900 euros
            How was Symphony No. 5 received? | How was Symphony No. 9 received?
            What are good gifts for a 30th birthday? | What are good gifts for a 40th birthday?
            Explain chapter IV of the book | Explain chapter VI of the book
            Who was King Henry VIII? | Who was King Henry VII?
            How many minutes is 0.25 hours? | How many minutes is 0.75 hours?
            My car has 120,000 miles. Should I sell it? | My car has 20,000 miles. Should I sell it?
            Is a 4-day work week effective? | Is a 6-day work week effective?
            Is it worth studying for the exam for three weeks? | For the exam, is it worthwhile to study for five weeks?
            What does a double espresso cost? | What does a single espresso cost?
            How do I twice-bake potatoes? | How do I thrice-bake potatoes?
            Take the tablet once a day? | Take the tablet twice a day?
            What do I do with a third of the dough? | What do I do with a fifth of the dough?
            How many stars does a 4½ star hotel have? | How many stars does a 3½ star hotel have?
            Is −5 greater than −7? | Is −5 greater than −3?
            Is -4 a solution? | Is 4 a solution?
            What is 10^6 bytes? | What is 10^9 bytes?
            Can I retire with 1.2 million? | Can I retire with 2.1 million?
            Can I retire on 500k? | Can I retire on 800k?
            How do I survive on ５ dollars a day? | How do I survive on ７ dollars a day?
            Which muscle groups do 100 push-ups train? | Which muscle groups do 50 push-ups train?
            What is the meaning of 3 of swords? | What is the meaning of 7 of swords?
            Show me the last 10 orders | Show me the last 100 orders
            Raise the price by 5 percent. | Raise the price by fifteen percent.
            What is a base-2 logarithm? | What is a base-10 logarithm?
            Is fifty push-ups a day good? | Is fifteen push-ups a day good?
            Can a family of four live in Oslo on one income? | Can a family of five live in Oslo on one income?
            Can four people live on a single salary in Oslo? | Can six people live in Oslo on one salary?
            How many ways are there to pick 3 out of 10? | How many ways are there to pick 3 out of 12?
            What does 5G do to phones? | What does 4G do to phones?
            Should I buy the 64 inch TV? | Should I buy the 46 inch TV?
            Who was the second man on the moon? | Who was the fourth man on the moon?
            How do I get past the seventh gate? | How do I get past the ninth gate?
            Is a 7.1 earthquake strong? | Is a 6.1 earthquake strong?
            What are the odds of rolling two sixes? | What are the odds of rolling three sixes?
            Can I eat 1 banana a day? | Can I eat 11 bananas a day?
            Do one hundred push-ups help? | Do two hundred push-ups help?
            Do a hundred sit-ups burn fat? | Do a thousand sit-ups burn fat?
            Is my A1C of 5.7 okay? | Is my A1C of 7.5 okay?
            what is ninety nine in roman numerals | what is eighty nine in roman numerals
            What's the 10th digit of pi? | What's the 100th digit of pi?
            Write a haiku with 17 syllables | Write a haiku with 19 syllables
            How thick is a 20 gauge wire? | How thick is a 12 gauge wire?
            Is there a Formula 2 race this weekend? | Is there a Formula 3 race this weekend?
            Plan a two-week trip through Peru | Plan a three-week trip through Peru
            Plan a 14-day trip through Peru | Plan a trip through Peru lasting 4 days
            What fraction is three eighths minus a quarter? | What fraction is five eighths minus a quarter?
            How do I split a bill three ways? | How do I split a bill four ways?
            How do I write 1,000,000 in words? | How do I write 10,000,000 in words?
            What are 2 facts about Mars? | What are 20 facts about Mars?
            Is a GPA of 3.2 good? | Is a GPA of 2.3 good?
            How do I calculate 7 x 8? | How do I calculate 7 x 9?
            Which sign is on the 13th floor? | Which sign is on the 30th floor?
            How many moles are in 18 g of water? | How many moles are in 36 g of water?
            Can zero people attend? | Can two people attend?
            Do I pay tax on the first 12,570 pounds? | Do I pay tax on the first 50,270 pounds?
            How far is 26.2 miles? | How far is 13.1 miles?
            Who has 7 Oscars? | Who has eleven Oscars?
            Is drinking eight glasses of water a day necessary? | Must I really drink three glasses of water every day?
            A pair of tickets to Madrid please | Three tickets to Madrid please
            Score 40-0 in tennis means what? | Score 40-15 in tennis means what?
            What is a triple bond? | What is a double bond?
        """,
        "unit": """
            How many grams are in a cup of flour? | How many ounces are in a cup of flour?
            How far is Mars in kilometres? | How far is Mars in miles?
            What is 100 °F in Celsius? | What is 100 K in Celsius?
            Is 30 C hot for a room? | Is 30 F hot for a room?
            How much is 50 euros in yen? | How much is 50 pounds in yen?
            Can I lift 20 kg? | Can I lift 20 lbs?
            Is a 5 GB plan enough? | Is a 5 MB plan enough?
            How long is 3 hours of film? | How long is 3 minutes of film?
            Give me the height of Everest in feet | Give me the height of Everest in meters
            Should I take 50 mg of zinc? | Should I take 50 mcg of zinc?
            What is my salary per month? | What is my salary per hour?
            Is 10 Mbps good for streaming? | Is 10 Kbps good for streaming?
            How do I wait 500 milliseconds in JavaScript? | How do I wait 500 seconds in JavaScript?
            Convert 7 inches to centimeters. | Convert 7 feet to centimeters.
            How many litres fit in a bathtub? | How many gallons fit in a bathtub?
            The limit is 50 km/h, why? | The limit is 50 mph, why?
            Is 2 teaspoons of salt too much? | Is 2 tablespoons of salt too much?
            Is a kilowatt a lot for a heater? | Is a megawatt a lot for a heater?
            How much does a ton of gold cost? | How much does an ounce of gold cost?
            Set a timer for 10 minutes | Set a timer for 10 seconds
            How many acres is Central Park? | How many hectares is Central Park?
            How much is $100 worth? | How much is €100 worth?
            How much is £30 today? | How much is ¥30 today?
            How many days until the deadline? | How many weeks until the deadline?
            Show memory use in mebibytes. | Show memory use in gibibytes.
            What is the pressure in bar? | What is the pressure in psi?
            How bright is 60 watts? | How bright is 60 lumens?
            Do I need 12 volts for the strip? | Do I need 12 amps for the strip?
            Is ten nanometers small for a chip? | Is ten micrometers small for a chip?
            How fast is 10 knots? | How fast is 10 km/h?
            Rotate the picture by 90 degrees. | Rotate the picture by 90 radians.
            How many pints are in the keg? | How many quarts are in the keg?
            What is 5 stone as a weight? | What is 5 pounds as a weight?
            A baby of 3 months: can it eat honey? | A baby of 3 years: can it eat honey?
            Is honey fine for a three-month-old? | My child is three years old, may she eat honey?
            Is 6 ft tall enough? | Is 6 m tall enough?
            What is the area in square feet? | What is the area in square meters?
            How much is 1 bitcoin in dollars? | How much is 1 bitcoin in rupees?
            How many calories does it burn? | How many joules does it burn?
            Can a drone fly 2 kilometers away? | Can a drone fly 2 meters away?
            The recipe says 200 ml of cream; is that enough? | The recipe says 200 cl of cream; is that enough?
            Is a 40 dB fan loud? | Is a 40 Hz fan loud?
            What's the price of oil per barrel? | What's the price of oil per gallon?
            How many bytes are in the header? | How many bits are in the header?
            Is 4 TB enough for backups? | Is 4 GB enough for backups?
            How many yards is the pitch? | How many metres is the pitch?
            How much rain falls in inches? | How much rain falls in millimeters?
            Is a 20 minute nap good? | Is a 20 hour nap good?
            I drive 30 miles daily, which car suits me? | I drive 30 kilometers daily, which car suits me?
            What does 1 tonne of steel cost? | What does 1 kilogram of steel cost?
            How do I set the timeout to 30 s? | How do I set the timeout to 30 ms?
            Is 5 years in prison usual for fraud? | Is 5 months in prison usual for fraud?
            For fraud, do people usually get five years? | Do people usually get five weeks in jail for fraud?
            How high is 1000 ft? | How high is 1000 yd?
            Is the rent 900 dollars a week? | Is the rent 900 dollars a month?
            Is 300 USD a fair price? | Is 300 CAD a fair price?
            Report revenue in millions. | Report revenue in thousands.
            How many grams of protein per kilogram? | How many grams of protein per pound?
            Measure the angle in degrees. | Measure the angle in gradians.
            How many light years away is Vega? | How many parsecs away is Vega?
            What's 98.6 in Fahrenheit? | What's 98.6 in Celsius?
            Which cup is 8 oz? | Which cup is 8 dl?
            How much is 12 µg of B12? | How much is 12 mg of B12?
            Take 2 drops or so? | Take 2 spoons or so?
            How many decades did it take? | How many centuries did it take?
            Is 3 percent a big raise? | Is 3 percentage points a big raise?
            How tall is she in cm? | How tall is she in inches?
            Is 100 newtons a strong force? | Is 100 kilonewtons a strong force?
            Is 5 mA dangerous? | Is 5 A dangerous?
            How much does a 2 liter bottle weigh? | How much does a 2 gallon bottle weigh?
            Buy 10 shares at 5 cents | Buy 10 shares at 5 dollars
            Give the volume in cubic inches. | Give the volume in cubic feet.
            Is 20 minutes a long commute? | Would you call a commute of 20 miles long?
            Is a 3 GHz processor fast? | Is a 3 MHz processor fast?
            Can you walk a kilometre in 10 minutes? | Can you walk a mile in 10 minutes?
            What do 500 rupees buy? | What do 500 pesos buy?
            What's the yearly cost of a Netflix subscription? | What's the monthly cost of a Netflix subscription?
            Show the weekly report | Show the daily report
            How is interest compounded annually? | How is interest compounded quarterly?
            Is 2 kcal a lot? | Is 2 cal a lot?
            Is it 5 furlongs long? | Is it 5 fathoms long?
            Cut a 1 cm slice | Cut a 1 mm slice
            Is 1000 rpm normal for an idle engine? | Is 1000 hp normal for an idle engine?
            How much is a fortnight's pay? | How much is a month's pay?
            Is 5 psi okay for a fat tyre? | Is 5 bar okay for a fat tyre?
            Give a speed in meters per second | Give a speed in feet per second
            How many francs is that? | How many kroner is that?
            Does 1 gram of fat have 9 calories? | Does 1 ounce of fat have 9 calories?
            A ping of 20 ms, good? | A ping of 20 µs, good?
            How much can a cup hold in milliliters? | How much can a cup hold in fluid ounces?
            I ran 5k in kilometers, is that good? | I ran 5k in miles, is that good?
            Is 15 kilos of luggage allowed? | Is 15 grams of luggage allowed?
            Am I allowed to bring 23 kilos on board? | May I bring 23 pounds on the plane?
            How old is a tree with 3 feet of girth? | How old is a tree with 3 inches of girth?
            What does a 500 W amplifier do? | What does a 500 kW amplifier do?
            Will the phone last 2 days on a charge? | Will the phone last 2 hours on a charge?
            What is 20 C converted? | What is 20 kelvin converted?
            How many milligrams per tablet? | How many micrograms per tablet?
            A 1 TB disk costs how much? | A 1 PB disk costs how much?
            Is 5 nm better? | Is 5 pm better?
            How heavy is 3 pounds of feathers? | How heavy is 3 kilograms of feathers?
        """,
        "date": """
            Is the office open on Monday? | Is the office open on Tuesday?
            What's the weather tomorrow? | What's the weather today?
            Who won the World Cup in 2014? | Who won the World Cup in 2018?
            Book a table for 7 pm | Book a table for 8 pm
            Set an alarm for 6:30 | Set an alarm for 6:45
            Wake me up at 5 am | Wake me up at 5 pm
            What happened on July 4, 1776? | What happened on July 14, 1789?
            Best places to visit in May | Best places to visit in October
            What were sales last month? | What were sales this month?
            What were sales last quarter? | What were sales last year?
            Show the Q1 results | Show the Q3 results
            Is there a full moon next week? | Was there a full moon last week?
            How was life in the 1920s? | How was life in the 1960s?
            What's on TV tonight? | What's on TV this morning?
            Any events this weekend? | Any events next weekend?
            Are shops open on Easter Sunday? | Are shops open on Easter Monday?
            When does winter start? | When does summer start?
            What did people eat in the 15th century? | What did people eat in the 19th century?
            Flights leaving 12 March | Flights leaving 21 March
            Flights on 2026-01-05 | Flights on 2026-05-01
            Meet me at half past three | Meet me at quarter past three
            Meet me at 15:00 | Meet me at 17:00
            Is it going to rain on Sat? | Is it going to rain on Sun?
            What did the Fed decide in December? | What did the Fed decide in November?
            What was the Fed's decision this December? | In September, what did the Fed decide?
            Where was the Olympics held in 2004? | Where was the Olympics held in 2008?
            What is due the day after tomorrow? | What is due tomorrow?
            Who was born yesterday? | Who was born today?
            How was business before Christmas? | How was business after Christmas?
            Who ruled Rome in 44 BC? | Who ruled Rome in 44 AD?
            What's the dress code on Fridays? | What's the dress code on Thursdays?
            Show commits since Monday | Show commits until Monday
            Who is the mayor in 2021? | Who is the mayor in 2022?
            Which taxes are due by April 15? | Which taxes are due by June 15?
            What time does the store open on weekdays? | What time does the store open on weekends?
            Is the pool open in the morning? | Is the pool open in the evening?
            Does the pool open mornings? | Is the swimming pool open at night?
            Two weeks ago, what was the rate? | Two weeks from now, what will the rate be?
            What will the rate be in two days? | What was the rate two days ago?
            When was the company founded? | When will the company be founded?
            Who was the president in the early 2000s? | Who was the president in the late 2000s?
            Schedule it for noon | Schedule it for midnight
            Is there school on Jan. 6? | Is there school on Feb. 6?
            Report for fiscal year 2022 | Report for fiscal year 2023
            What was happening in Iran in '79? | What was happening in Iran in '89?
            Can I go skiing in Chile in August? | Can I go skiing in Chile in January?
            Is August good for skiing in Chile? | Would February be good for skiing in Chile?
            What's my schedule for Wednesday? | What's my schedule for Friday?
            Do I work this Thursday? | Do I work next Thursday?
            What's new in the 2019 edition? | What's new in the 2020 edition?
            How did stocks do on Black Monday? | How did stocks do on Black Friday?
            When does Ramadan begin in 2025? | When does Ramadan begin in 2027?
            How do I celebrate Father's Day? | How do I celebrate Mother's Day?
            Is breakfast served until 10 a.m.? | Is breakfast served until 11 a.m.?
            Will trains run on New Year's Eve? | Will trains run on New Year's Day?
            Which crops are planted in spring? | Which crops are planted in autumn?
            List holidays in June | List holidays in July
            What's the moon phase on 3/4? | What's the moon phase on 4/3?
            What's the UV index at 1pm? | What's the UV index at 4pm?
            Tell me the news of last Tuesday | Tell me the news of last Wednesday
            Who led Germany in 1936? | Who led Germany in 1963?
            Who was the leader of Germany during 1936? | Who led Germany back in 1956?
            Is parking free after 6 pm? | Is parking free before 6 pm?
            Open hours at lunchtime | Open hours at dinner time
            How do I plan for the coming year? | How do I review the past year?
            What did I spend in the last 7 days? | What did I spend in the last 30 days?
            What did I spend in the past week? | What did I spend over the past year?
            Compare 2020 and 2021 sales | Compare 2020 and 2022 sales
            When did WW1 end? | When did WW2 end?
            What was the fashion in the nineties? | What was the fashion in the eighties?
            Is the deadline the end of the month? | Is the deadline the beginning of the month?
            What's the earliest train? | What's the latest train?
            Who won the most recent Tour de France? | Who won the first Tour de France?
            The party is on the 3rd; what should I bring? | The party is on the 23rd; what should I bring?
            Is the shop open at 9:00 on Sunday? | Is the shop open at 9:00 on Saturday?
            How is Diwali celebrated in 2024? | How is Diwali celebrated in 2026?
            Does the library close at eight? | Does the library close at nine?
            What are the best movies of the 80s? | What are the best movies of the 90s?
            What does the contract say about 2030? | What does the contract say about 2040?
            When was the previous eclipse? | When is the next eclipse?
            Remind me in an hour | Remind me in a week
            What's the forecast for Tuesday afternoon? | What's the forecast for Tuesday night?
            Is there a strike today? | Was there a strike yesterday?
            Was there a strike yesterday? | Will there be a strike tomorrow?
            How was the Ming dynasty in the 14th century? | How was the Ming dynasty in the 16th century?
            Prices as of 1 September | Prices as of 1 November
            What happened at dawn on D-Day? | What happened at dusk on D-Day?
            How was it in pre-war Berlin? | How was it in post-war Berlin?
            Give me my horoscope for this week | Give me my horoscope for next week
            What did she do at age 20 in March 2001? | What did she do at age 20 in May 2001?
            Do you deliver on Mondays only? | Do you deliver on Saturdays only?
            What meetings do I have on 2025-11-03? | What meetings do I have on 2025-11-13?
            Which movies come out in summer 2023? | Which movies come out in winter 2023?
            Can I renew within 30 days? | Can I renew within 90 days?
            Is 8:15 too late to arrive? | Is 8:50 too late to arrive?
            How do I get a permit for the 2024 season? | How do I get a permit for the 2025 season?
            How was Kyoto in April last year? | How was Kyoto in November last year?
            Who played at the Super Bowl halftime show in 2015? | Who performed at halftime of the 2017 Super Bowl?
            I was born on 12/05/1990, how old am I? | I was born on 12/05/1980, how old am I?
            What time is 3 PM EST in London? | What time is 3 PM PST in London?
            It is quarter to six, is the bank open? | It is quarter to four, is the bank open?
        """,
        "entity swap": """
            How do I get from Paris to Lyon? | How do I get from Lyon to Paris?
            Flights from Tokyo to Seoul | Flights from Seoul to Tokyo
            Translate from Spanish to Italian | Translate from Italian to Spanish
            What is the capital of Australia? | What is the capital of Austria?
            Who wrote Emma? | Who wrote Persuasion?
            How do I install Python 3.11? | How do I install Python 3.12?
            Is the iPhone 13 waterproof? | Is the iPhone 12 waterproof?
            Can I lend my car to a friend? | Can I borrow my car from a friend?
            Should I stretch before running? | Should I stretch after running?
            Is Java faster than Python? | Is Python faster than Java?
            Why is gold heavier than iron? | Why is iron heavier than gold?
            Who defeated Napoleon at Waterloo? | Whom did Napoleon defeat at Austerlitz?
            Did Apple sue Samsung? | Did Samsung sue Apple?
            Does Anna love Tom? | Does Tom love Anna?
            How do I convert XML to JSON? | How do I convert JSON to XML?
            How do I import CSV data into Excel? | How do I export CSV data from Excel?
            Should I buy or rent out a flat in Vienna? | Should I sell or rent out a flat in Vienna?
            What does a teacher expect from a student? | What does a student expect from a teacher?
            How do I upload a file to S3? | How do I download a file from S3?
            What is the population of Niger? | What is the population of Nigeria?
            How tall is Mount Fuji? | How tall is Mount Rainier?
            Did Brazil beat Germany? | Did Germany beat Brazil?
            How to move mail from Gmail to Outlook? | How to move mail from Outlook to Gmail?
            How do I migrate my mailbox from Gmail to Outlook? | How can I migrate my mail from Outlook over to Gmail?
            What is the maximum of sine? | What is the minimum of sine?
            How do I increase my blood pressure? | How do I decrease my blood pressure?
            How do I gain weight? | How do I lose weight?
            What's the best restaurant in Boston? | What's the best restaurant in Houston?
            Tell me the worst hotel in Rome | Tell me the best hotel in Rome
            What is the side effect of aspirin? | What is the side effect of paracetamol?
            Does Windows 10 support WSL? | Does Windows 11 support WSL?
            How do I update to Ubuntu 22.04? | How do I update to Ubuntu 24.04?
            How do I dress for a hot day? | How do I dress for a cold day?
            Who is the CEO of Intel? | Who is the CEO of Nvidia?
            Who is the CFO of Intel? | Who is the CEO of Intel?
            Was Lincoln killed by Booth? | Was Booth killed by Lincoln?
            Do dogs chase cats? | Do cats chase dogs?
            Why do wolves hunt deer? | Why do deer hunt wolves?
            How can employees sue employers? | How can employers sue employees?
            Give the buyer's duties | Give the seller's duties
            Is the north pole colder? | Is the south pole colder?
            How do I open a bank account? | How do I close a bank account?
            Drive from the airport to the hotel | Drive from the hotel to the airport
            What's the way to the station from the museum? | What's the way from the station to the museum?
            How long is a train from Berlin to Prague? | How long does the train to Berlin take from Prague?
            What is the boiling point of ethanol? | What is the freezing point of ethanol?
            How many players are on a handball team? | How many players are on a volleyball team?
            What did Kant say about Hume? | What did Hume say about Kant?
            What does my left knee need? | What does my right knee need?
            How do I add a user in MySQL? | How do I add a user in PostgreSQL?
            How do I add a user in MySQL? | How do I remove a user in MySQL?
            Is Pluto bigger than the Moon? | Is the Moon bigger than Pluto?
            Which is more expensive, Zurich or Geneva flats? | Which is less expensive, Zurich or Geneva flats?
            Is Oslo cheaper than Bergen? | Is Oslo more expensive than Bergen?
            Fly with Lufthansa or KLM? | Fly with Lufthansa or Ryanair?
            What is the GDP of North Korea? | What is the GDP of South Korea?
            Who is older, Messi or Ronaldo? | Who is older, Messi or Neymar?
            How do I pay my landlord? | How do I get paid by my landlord?
            How did Greece influence Rome? | How did Rome influence Greece?
            What does the doctor tell the nurse? | What does the nurse tell the doctor?
            How do I get my money from PayPal to my bank? | How do I get my money from my bank to PayPal?
            Why did Alice leave Bob? | Why did Bob leave Alice?
            What is upstream of Cairo on the Nile? | What is downstream of Cairo on the Nile?
            Is red wine healthier than white? | Is white wine healthier than red?
            What are the symptoms of hypothyroidism? | What are the symptoms of hyperthyroidism?
            What are signs of high blood sugar? | What are signs of low blood sugar?
            How do I ask my boss for a raise? | How do I ask my wife for a raise?
            Is Node 18 still supported? | Is Node 20 still supported?
            Is v2.3.1 affected by the bug? | Is v2.3.4 affected by the bug?
            Does my Galaxy S21 get updates? | Does my Galaxy S23 get updates?
            How do I merge main into develop? | How do I merge develop into main?
            Should I rebase feature onto main? | Should I rebase main onto feature?
            Replace 'foo' with 'bar' in vim | Replace 'bar' with 'foo' in vim
            Subtract revenue from costs | Subtract costs from revenue
            How much bigger is Texas than France? | How much bigger is France than Texas?
            How much does it cost to fly to Bali? | How much does it cost to fly to Fiji?
            Who played Batman in 1989? | Who played Joker in 1989?
            What's the currency of Sweden? | What's the currency of Norway?
            Summarize Macbeth | Summarize Hamlet
            Tell me about the life of Marie Curie. | Tell me about the life of Pierre Curie.
            How do I say hello to my mother-in-law? | How do I say hello to my father-in-law?
            Is it better to arrive or depart early at Heathrow? | Is it better to arrive or depart early at Gatwick?
            What is the top speed of a cheetah? | What is the top speed of a leopard?
            How do I encrypt a disk? | How do I decrypt a disk?
            What is the input of a transformer? | What is the output of a transformer?
            Which rivers flow into the Danube? | Which rivers does the Danube flow into?
            Who taught Plato? | Whom did Plato teach?
            Who hired Maria? | Whom did Maria hire?
            Can a cat catch a cold from a human? | Can a human catch a cold from a cat?
            What is Ohm's law? | What is Hooke's law?
            How do I send money to Mexico from Canada? | How do I send money to Canada from Mexico?
            How does the House override the Senate? | How does the Senate override the House?
            What is the largest lake in Africa? | What is the smallest lake in Africa?
            Does Uber drive in Delhi? | Does Lyft drive in Delhi?
            Give me a vegan lasagna recipe | Give me a beef lasagna recipe
            What visa does an Indian need for Turkey? | What visa does a Turk need for India?
            What does TCP do better than UDP? | What does UDP do better than TCP?
            What does a debit card do? | What does a credit card do?
            How do male lions live? | How do female lions live?
            How does a public school work? | How does a private school work?
            My son hit your daughter. What now? | Your daughter hit my son. What now?
            Why does the client trust the server? | Why does the server trust the client?
            How do I call C from Rust? | How do I call Rust from C?
            Is it legal to follow a police car? | Is it legal for a police car to follow me?
        """,
        "language": """
            Where is the train station? | ¿Dónde está la estación de tren?
            Where is the train station? | Wo ist der Bahnhof?
            Where is the train station? | Où est la gare ?
            How much does it cost? | Wie viel kostet es?
            How much does it cost? | Quanto costa?
            What is the weather like? | Quel temps fait-il ?
            What is the capital of Peru? | ¿Cuál es la capital de Perú?
            What is the capital of Peru? | Was ist die Hauptstadt von Peru?
            What is the capital of Peru? | Quelle est la capitale du Pérou ?
            What is the capital of Peru? | Qual è la capitale del Perù?
            What is the capital of Peru? | Wat is de hoofdstad van Peru?
            What is the capital of Peru? | Qual é a capital do Peru?
            What is the capital of Peru? | Vad är Perus huvudstad?
            What is the capital of Peru? | Jaka jest stolica Peru?
            What is the capital of Peru? | Mikä on Perun pääkaupunki?
            What is the capital of Peru? | Peru'nun başkenti neresidir?
            What is the capital of Peru? | Какая столица Перу?
            What is the capital of Peru? | ペルーの首都はどこですか？
            What is the capital of Peru? | 秘鲁的首都是什么？
            What is the capital of Peru? | ما هي عاصمة بيرو؟
            What is the capital of Peru? | पेरू की राजधानी क्या है?
            What is the capital of Peru? | 페루의 수도는 어디인가요?
            What is the capital of Peru? | Ποια είναι η πρωτεύουσα του Περού;
            What is the capital of Peru? | Thủ đô của Peru là gì?
            What is the capital of Peru? | Apa ibu kota Peru?
            How do I reset my password? | Wie setze ich mein Passwort zurück?
            How do I reset my password? | Comment réinitialiser mon mot de passe ?
            How do I reset my password? | ¿Cómo restablezco mi contraseña?
            How do I reset my password? | How do I reset my Passwort?
            How do I reset my password? | Come reimposto la mia password?
            How do I reset my password? | Como redefino minha senha?
            How do I reset my password? | Hoe reset ik mijn wachtwoord?
            I lost my luggage, what can I do? | I lost my luggage, was kann ich tun?
            I lost my luggage, what can I do? | J'ai perdu mes bagages, what can I do?
            I lost my luggage, what can I do? | Perdí mi equipaje, ¿qué puedo hacer?
            Explain photosynthesis in English. | Explain photosynthesis in French.
            Explain photosynthesis in English. | Explain photosynthesis in Hindi.
            Explain photosynthesis. | Explain photosynthesis in German.
            Explain photosynthesis | Explain photosynthesis, and answer in Portuguese
            Please tell me how photosynthesis works | How does photosynthesis work? Reply in Dutch.
            Write a thank-you note. | Write a thank-you note in Japanese.
            Write a thank-you note in Korean. | Write a thank-you note in Japanese.
            Say good morning in Swahili | Say good morning in Zulu
            Translate 'cheese' to French | Translate 'cheese' to Polish
            Translate this to Arabic: the shop is closed. | Translate this to Hebrew: the shop is closed.
            Summarize the article in simple English. | Summarize the article in simple Spanish.
            How do you say dog in Latin? | How do you say dog in Greek?
            Wie alt ist der Papst? | How old is the Pope?
            Comment faire des crêpes ? | How do you make crêpes?
            Comment faire des crêpes ? | ¿Cómo hacer crêpes?
            Wie mache ich Pfannkuchen? | Hoe maak ik pannenkoeken?
            Wo kann ich parken? | Where can I park?
            Wo kann ich hier parken? | Waar kan ik hier parkeren?
            ¿Qué es la inflación? | O que é a inflação?
            ¿Qué es la inflación? | Che cos'è l'inflazione?
            ¿Qué es la inflación? | What is la inflación?
            Qu'est-ce que l'inflation ? | What is inflation?
            Was ist Inflation? | What is inflation?
            Vad är inflation? | Was ist Inflation?
            What is inflation? | Hva er inflasjon?
            What is inflation? | Hvad er inflation?
            What is inflation? | Co to jest inflacja?
            What is inflation? | Что такое инфляция?
            What is inflation? | インフレとは何ですか？
            What is inflation? | 什么是通货膨胀？
            Who discovered penicillin? | Wer hat Penicillin entdeckt?
            Who discovered penicillin? | Qui a découvert la pénicilline ?
            Who discovered penicillin? | ¿Quién descubrió la penicilina?
            Who discovered penicillin? | Chi ha scoperto la penicillina?
            Who discovered penicillin? | Quem descobriu a penicilina?
            Is the museum open on Sundays? | Ist das Museum sonntags geöffnet?
            Is the museum open on Sundays? | Le musée est-il ouvert le dimanche ?
            Is the museum open on Sundays? | Is the museum open los domingos?
            Is the museum open on Sundays? | Il museo è aperto la domenica?
            Book a hotel in Rome | Buche ein Hotel in Rom
            Book a hotel in Rome | Réserver un hôtel à Rome
            Book a hotel in Rome | Prenota un hotel a Roma
            Book a hotel in Rome | Reserva un hotel en Roma
            Best pizza in Naples | Beste Pizza in Neapel
            Best pizza in Naples | Meilleure pizza à Naples
            Best pizza in Naples | La mejor pizza de Nápoles
            Python list comprehension tutorial | Tutoriel compréhension de liste Python
            Python list comprehension tutorial | Tutorial de comprensión de listas en Python
            Restart the Docker container | Neustart des Docker Containers
            Restart the Docker container | Redémarrer le conteneur Docker
            WhatsApp on iPad? | ¿WhatsApp en iPad?
            WhatsApp for iPad | WhatsApp für iPad
            WhatsApp for iPad | WhatsApp pour iPad
            Thanks, can you repeat that? | Danke, kannst du das wiederholen?
            Thanks, can you repeat that? | Gracias, ¿puedes repetir eso?
            Write an email to my boss about my vacation. | Schreibe eine E-Mail an meinen Chef über meinen Urlaub.
            Write an email to my boss about my vacation. | Write an email to my boss about my vacation in Turkish.
            Write an email to my boss about my vacation. | Write an email to my boss about my vacation. Use Danish.
            Give me three tips for interviews. | Give me three tips for interviews, auf Deutsch bitte.
            Give me three tips for interviews. | Give me three tips for interviews, en español por favor.
            Give me three tips for interviews. | Dame tres consejos para entrevistas.
            What does 'saudade' mean? | O que significa 'saudade'?
            What does 'saudade' mean? | Was bedeutet 'saudade'?
            Tell me a joke | Erzähl mir einen Witz
            Tell me a joke | Raconte-moi une blague
            Tell me a joke | Cuéntame un chiste
            Tell me a joke | Raccontami una barzelletta
            Tell me a joke | Opowiedz mi dowcip
            Tell me a joke | Conte-me uma piada
            Tell me a joke in Russian | Tell me a joke in Ukrainian
            Describe the water cycle for children in French. | In Italian, describe the water cycle for children.
        """,
    },
    "second fresh batch": {
        "negation": """
            Why did my cake rise? | Why didnt my cake rise?
            What if the tenant pays late? | What if the tenant refuses to pay late?
            Which lakes freeze in winter? | Which lakes seldom freeze in winter?
            Show users who logged in today | Show users who havent logged in today
            Is the water drinkable in Cairo? | Is the water undrinkable in Cairo?
            How can I eat sugar and stay slim? | How can I skip sugar and stay slim?
            Give me soups containing milk. | Give me soups free of milk.
            Give me soups containing milk. | Give me soups that are dairy-free.
            Does aspirin thin the blood? | Does aspirin fail to thin the blood?
            Was the bridge finished on schedule? | Was the bridge never finished on schedule?
            What do teenagers admit to their parents? | What do teenagers deny to their parents?
            Is anything allowed through security? | Is nothing allowed through security?
            Should I reply to spam? | Should I ignore spam?
            Is a married man entitled to this? | Is an unmarried man entitled to this?
            Can I work while on sick leave? | Can I not work while on sick leave?
            Who's on the guest list? | Who's not on the guest list?
            Sort the rows that match | Sort the rows that do not match
            Sort the rows that match the filter | The rows that don't match the filter: sort them
            Who is allowed to vote in Swiss elections? | Who isn't allowed to vote in Swiss elections?
            How does one become a citizen? | How does one not become a citizen?
            What are the pros of nuclear power? | What are the cons of nuclear power?
            Does a vegan eat anything with eggs? | Does a vegan eat nothing with eggs?
            Where do penguins live? | Where do no penguins live?
            Are you able to open the file? | Are you unable to open the file?
            Is it common to sneeze at the sun? | Is it uncommon to sneeze at the sun?
            Why do people want children? | Why do some people not want children?
            Which tools are part of the kit? | Which tools aren't part of the kit?
            What medicines should I take with alcohol? | What medicines should I not take with alcohol?
            May guests smoke on the balcony? | May guests not smoke on the balcony?
            Is there evidence for the theory? | Is there a lack of evidence for the theory?
            How does a virus program work? | How does an anti-virus program work?
            Are the doors locked at night? | Are the doors never locked at night?
            Did the drug have an effect? | Did the drug have no effect?
            Who likes liquorice? | Who dislikes liquorice?
            When is a password considered strong? | When is a password not considered strong?
            All my plants are dying; should I fertilize? | None of my plants are dying; should I fertilize?
            I'm allergic to bees. Can I eat honey? | I'm not allergic to bees. Can I eat honey?
            You can't be fired for this, can you? | You can be fired for this, can't you?
            Would a judge accept this contract? | Would a judge reject this contract?
        """,
        "number": """
            How do I cut a cake in twenty-one pieces? | How do I cut a cake in twenty pieces?
            Does thirty-one come after thirty? | Does thirty-two come after thirty?
            What can I do with a hundred dollars? | What can I do with a hundred and one dollars?
            Is .5 mg enough? | Is 5 mg enough?
            Is −3 an integer? | Is 3 an integer?
            How long does one and a half liters last? | How long does half a liter last?
            Which day is day 5 of a cold? | Which day is day 6 of a cold?
            Describe the five stages of grief | Describe the four stages of grief
            How many eggs for a dozen muffins? | How many eggs for half a dozen muffins?
            Read page 112 aloud | Read page 121 aloud
            Is 0.1 + 0.2 = 0.3? | Is 0.1 + 0.2 = 0.4?
            What's better for knees, 3x10 or 5x5 squats? | What's better for knees, 3x10 or 5x10 squats?
            Explain the 80/20 rule | Explain the 90/10 rule
            Compute 7 - 4 | Compute 7 + 4
            Compute 8 * 2 | Compute 8 / 2
            Is 12 > 7? | Is 12 < 7?
            Which songs hit number one? | Which songs hit number two?
            My twins are seven, what toys are good? | My twins are seventeen, what toys are good?
            Is $1.50 a fair price for an apple? | Is $15.0 a fair price for an apple?
            A loan at 4.25% | A loan at 4.75%
            How do two-thirds of voters decide? | How do one-third of voters decide?
            When was the eighteenth amendment passed? | When was the nineteenth amendment passed?
            What is 6! equal to? | What is 7! equal to?
            I have three cats and one dog, how much food? | I have one cat and three dogs, how much food?
            Pick 4 numbers between 1 and 10 | Pick 10 numbers between 1 and 4
            My BMI is 24, am I fine? | My BMI's 42, am I fine?
            Who has the second-best record? | Who has the best record?
            Is it the 2nd or 3rd try? | Is it the 2nd or 4th try?
            Can eight people share a minibus? | Is an eighteen-person group able to share a minibus?
            Was Louis XIV rich? | Was Louis XVI rich?
            Who directed Rocky III? | Who directed Rocky IV?
            How much is a million seconds? | How much is two million seconds?
            How much is x^2 at 3? | How much is x^3 at 3?
            How far do I get with 1/4 tank? | How far do I get with 3/4 tank?
            Is a 60-40 portfolio risky? | Is a 40-60 portfolio risky?
            Do 9 in 10 dentists agree? | Do 6 in 10 dentists agree?
            Is the ratio 3:1 right for mortar? | Is the ratio 4:1 right for mortar?
            Can I run 21 km untrained? | Can I run 42 km untrained?
        """,
        "unit": """
            Is a 10 mW laser safe? | Is a 10 MW laser safe?
            How much does 1 m of rope cost? | How much does 1 km of rope cost?
            How heavy is it in pounds? | How heavy is it in stones?
            How long is it in weeks? | How long is it in days?
            Show CPU time in nanoseconds | Show CPU time in microseconds
            What's my speed in m/s? | What's my speed in km/s?
            Is 8 cups a day enough? | Is 8 liters a day enough?
            How many bushels per acre? | How many bushels per hectare?
            Price in Swiss francs please | Price in US dollars please
            How many kWh does a fridge use? | How many watts does a fridge use?
            I have 5 m of fabric; enough? | I have 5 cm of fabric; enough?
            Will a 2 TB drive hold my photos? | Will a 2 GB drive hold my photos?
            Is a dose of 40 units large? | Is a dose of 40 milligrams large?
            Is a quart more than a liter? | Is a pint more than a liter?
            The room is 200 square feet, how many lamps? | The room is 200 square meters, how many lamps?
            Rent costs 1200 per month, OK? | Rent costs 1200 per week, OK?
            Is a heart rate of 90 per minute fine? | Is a heart rate of 90 per second fine?
            Can I finish in 45 minutes? | Can I finish in 45 seconds?
            Would 45 hours be enough to finish it? | Would 45 minutes suffice to finish it?
            Is 101 degrees Fahrenheit a fever? | Is 101 degrees Celsius a fever?
            How many dpi for print? | How many cm for print?
            Is 2 atm a lot? | Is 2 bar a lot?
            Pay in pesos | Pay in euros
            How much is 10k in rupees? | How much is 10k in rubles?
            How many mph is fast? | How many knots is fast?
            What is 5 ft 6 in inches? | What is 5 ft 6 in centimeters?
            Does it need 220 V? | Does it need 220 W?
            How old is it in dog years? | How old is it in dog months?
            Is £40 ok for a haircut? | Is $40 ok for a haircut?
            Is a 3-year warranty standard? | Is a 3-month warranty standard?
            My commute is 50 miles. Electric car? | My commute is 50 km. Electric car?
            Is 20 Mbps upload fine? | Is 20 MBps upload fine?
            A jar of 12 oz | A jar of 12 g
            Does 30 μg matter? | Does 30 mg matter?
            Are two spoonfuls of salt fine? | Are two cupfuls of salt fine?
        """,
        "date": """
            Do you open in the mornings? | Do you open in the evenings?
            Will it snow on Christmas? | Will it snow on Easter?
            Will it snow? | Will it snow tomorrow?
            Who is the king now? | Who was the king then?
            Who is the chancellor of Germany? | Who was the former chancellor of Germany?
            What did the market do this week? | What will the market do next week?
            What was the market doing two weeks ago? | What was the market doing last week?
            How was traffic at 8 am? | How was traffic at 8 pm?
            How was traffic at 0800? | How was traffic at 1800?
            List my tasks until Friday | List my tasks after Friday
            Does daylight saving start in March? | Does daylight saving start in April?
            Who won Wimbledon in '08? | Who won Wimbledon in '18?
            Trips for early June | Trips for late June
            How was the '70s oil crisis caused? | How was the '90s oil crisis caused?
            Events on the 5th of May | Events on the 6th of May
            Events on 05.06.2024 | Events on 06.05.2024
            Events at dawn | Events at dusk
            What do I need before surgery? | What do I need after surgery?
            What should I know prior to surgery? | What should I know following surgery?
            Which laws change in January? | Which laws changed in January?
            What's for lunch? | What's for dinner?
            Has the season started? | When will the season start?
            Which ships sank in the 17th century? | Which ships sank in the 18th century?
            Who owned the house then? | Who owns the house now?
            Yesterday's lottery numbers | Today's lottery numbers
            Which films were shown on Sunday night? | Which films were shown on Sunday afternoon?
            Are banks closed on Good Friday? | Are banks closed on Ash Wednesday?
            Summer jobs for teens | Winter jobs for teens
            What's the schedule at a quarter past nine? | What's the schedule at a quarter to nine?
            Is he home by ten? | Is he home by eleven?
            Do I file quarterly? | Do I file annually?
            Is there a train at 23:15? | Is there a train at 23:51?
            Which album came out in 1991? | In 1997, which album came out?
            Which album came out first? | Which album came out last?
            Who was elected in the previous election? | Who was elected in the upcoming election?
            My visa expires in 3 weeks | My visa expired 3 weeks ago
            Was it warm in Feb? | Was it warm in Sept?
        """,
        "entity swap": """
            Who loves Maria? | Who does Maria love?
            What eats lions? | What do lions eat?
            Who do you trust? | Who trusts you?
            What is a house dog? | What is a dog house?
            How do I make chocolate milk? | How do I make milk chocolate?
            What is your name? | What is my name?
            Do they owe us money? | Do we owe them money?
            Is it cheaper to rent than to buy? | Is it cheaper to buy than to rent?
            I'm driving to Milan from Turin. Tolls? | I'm driving from Milan to Turin. Tolls?
            How do I send files from my phone to my PC? | How do I send files to my phone from my PC?
            Which team beat Spain? | Which team did Spain beat?
            Which countries border Chad? | Which countries border Mali?
            How do I get a refund from Amazon? | How do I get a refund from eBay?
            Is Anna the sister of Ben? | Is Ben the brother of Anna?
            Is Anna the mother of Ben? | Is Ben the mother of Anna?
            Does smoke follow fire? | Does fire follow smoke?
            If I marry a Swede, which passport do I get? | If I marry a Dane, which passport do I get?
            Was Caesar older than Pompey? | Was Pompey older than Caesar?
            Did the Romans conquer the Greeks? | Did the Greeks conquer the Romans?
            Which drug is stronger, codeine or morphine? | Which drug is weaker, codeine or morphine?
            Why is my left ear ringing? | Why is my right ear ringing?
            How do I convert dollars to euros? | How do I convert euros to dollars?
            How many dollars is a euro? | How many euros is a dollar?
            Is React 18 compatible with Node 16? | Is React 16 compatible with Node 18?
            Is Kotlin built on Java? | Is Java built on Kotlin?
            Add Bob to the group Sales | Add Sales to the group Bob
            What did Freud write about Jung? | What did Jung write about Freud?
            Books by Orwell | Books about Orwell
            A letter from my bank | A letter to my bank
            Which is nearer to Rome, Bari or Pisa? | Which is nearer to Bari, Rome or Pisa?
            Can the manager overrule the director? | Can the director overrule the manager?
            How can a company sue a customer? | How can a customer sue a company?
            How much do parents pay teachers? | How much do teachers pay parents?
            Who inherits from an aunt? | From whom does an aunt inherit?
            Who reports to the CTO? | Who does the CTO report to?
            Deduct B from A | Deduct A from B
            Did Tesla work for Edison? | Did Edison work for Tesla?
            What is the road from Delhi to Agra like? | What is the road like from Agra to Delhi?
            How much taller is Jo than Al? | How much taller is Al than Jo?
            Should the husband follow the wife? | Should the wife follow the husband?
            What does the moon do to the tides? | What do the tides do to the moon?
            Is it harder to teach or to learn than to write? | Is it harder to write than to teach or to learn?
            Who gave Sam the ring? | To whom did Sam give the ring?
            Can I pay my friend with Zelle? | Can my friend pay me with Zelle?
        """,
        "language": """
            Who is Messi? | Quem é Messi?
            Who is Messi? | Chi è Messi?
            Who is Messi? | Wie is Messi?
            Who is Messi? | Kim Messi?
            Who is Messi? | Kuka on Messi?
            Who is Messi? | Kto to jest Messi?
            Who is Messi? | Hvem er Messi?
            What is Bitcoin? | O que é Bitcoin?
            What is Bitcoin? | Mikä on Bitcoin?
            What is Bitcoin? | Co to jest Bitcoin?
            What is Bitcoin? | Bitcoin nedir?
            What is Bitcoin? | Apa itu Bitcoin?
            What is Bitcoin? | Wat is Bitcoin?
            What is Bitcoin? | Hvad er Bitcoin?
            What is Bitcoin? | Ce este Bitcoin?
            What is Bitcoin? | Co je Bitcoin?
            What is Bitcoin? | Mi az a Bitcoin?
            What is Bitcoin? | Bitcoin là gì?
            What is Bitcoin? | Bitcoin क्या है?
            What is Bitcoin? | ビットコインとは？
            Is Docker free? | Docker è gratis?
            Is Docker free? | É Docker grátis?
            Describe a sunset | Describe a sunset in Welsh
            Describe a sunset | Describe a sunset (auf Französisch)
            Describe a sunset | describe a sunset, por favor
            Describe a sunset | Describe a sunset in german
            Describe a sunset | Describe a sunset. Answer in Chinese, please.
            Describe a sunset in english | Describe a sunset in tamil
            Give me a bread recipe | Give me a recipe for bread but in Bengali
            Where does Ronaldo live? | Where does Ronaldo wohnen?
            Comment ça va ? | Come va?
            Wie geht es dir? | Hoe gaat het?
            Hvor er toilettet? | Var är toaletten?
            Quanto custa o iPhone? | ¿Cuánto cuesta el iPhone?
            Qual è il prezzo? | Qual é o preço?
            How do I say 'thanks' in Thai? | How do I say 'thanks' in Lao?
            Radio Berlin online | Rádio Berlim online
            Hotel in Roma | Hotel a Roma
            Restaurant Paris | Restaurante París
        """,
    },
    "third fresh batch": {
        "negation": """
            Can I drive in Italy with a UK licence? | Can I not drive in Italy with a UK licence?
            What are foods that raise cholesterol? | What are foods that don't raise cholesterol?
            Is the new policy fair? | Is the new policy unfair?
            How do I know if someone blocked me? | How do I know if someone hasn't blocked me?
            What should a CV contain? | What should a CV never contain?
            Does the ferry run when it's windy? | Does the ferry not run when it's windy?
            Tell me why I should learn Latin | Tell me why I shouldn't learn Latin
            Which insurance covers hail? | Which insurance doesn't cover hail?
            Can plants grow with light? | Can plants grow without light?
            Explain to me who may adopt a child. | Explain to me who may not adopt a child.
            Is there anybody who has seen it? | Is there nobody who has seen it?
            Do I qualify for a refund if I opened the box? | Do I qualify for a refund if I have not opened the box?
            Can I get my money back after opening the box? | Can I get a refund if the box wasn't opened?
            What makes a mushroom toxic? | What makes a mushroom non-toxic?
            How do I allow cookies? | How do I block cookies?
            Are tomatoes vegetables? | Aren't tomatoes fruit and not vegetables?
            Is my data visible to others? | Is my data invisible to others?
            What are complete proteins? | What are incomplete proteins?
            How should I treat a burn? | How should I never treat a burn?
            Why is the meeting necessary? | Why is the meeting unnecessary?
        """,
        "number": """
            How do I host a dinner for 8? | How do I host a dinner for 12?
            What happened in chapter three? | What happened in chapter thirteen?
            Is 70 a good score? | Is 17 a good score?
            What is 12.5 percent of 80? | What is 12.5 percent of 800?
            Name the four largest moons of Jupiter | Name the two largest moons of Jupiter
            How old is a person born 30 years ago? | How old is a person born 40 years ago?
            What does the 14th amendment say? | What does the 4th amendment say?
            Which floors have 3-bedroom flats? | Which floors have 4-bedroom flats?
            Is it safe to invest 1000 euros in gold? | Is it safe to invest 100,000 euros in gold?
            Is putting a thousand euros into gold safe? | Is it safe to invest 5000 euros in gold?
            How do I write a 5 minute speech? | How do I write a 15 minute speech?
            Can I have 2 passports? | Can I have 3 passports?
            What's the chance of rolling a six? | What's the chance of rolling a five?
            Is pH 7 neutral? | Is pH 8 neutral?
            How much is 0.3 bitcoin? | How much is 0.03 bitcoin?
            How is the number 1,024 special? | How is the number 1,023 special?
            My baby is six weeks old, is that cry normal? | My baby is sixteen weeks old, is that cry normal?
            What is the 95th percentile? | What is the 99th percentile?
            Round 2.675 to two decimals | Round 2.675 to one decimal
            Double the recipe | Triple the recipe
        """,
        "unit": """
            How many calories are in 100 g of rice? | How many calories are in 100 oz of rice?
            How tall is he in feet? | How tall is he in metres?
            How much is 5000 won? | How much is 5000 yen?
            What's 15 knots in mph? | What's 15 knots in km/h?
            Is 2 L of water enough for a hike? | Is 2 gallons of water enough for a hike?
            Is 72 hours a long wait? | Is 72 days a long wait?
            Does 10 kg of luggage cost extra? | Does 10 lb of luggage cost extra?
            Is an hour of TV daily too much? | Is a minute of TV daily too much?
            Is 500 MB of RAM enough? | Is 500 GB of RAM enough?
            How many inches is a ruler? | How many centimeters is a ruler?
            Bake it at 180 C? | Bake it at 180 F?
            Is a hectare big? | Is an acre big?
            How much does a gram of saffron cost? | How much does a pound of saffron cost?
            Does he earn 40 an hour? | Does he earn 40 a day?
            What distance is 2 light-years? | What distance is 2 light-minutes?
            Report latency in ms | Report latency in seconds
            Can a truck carry 3 tons? | Can a truck carry 3 kilos?
            The fence is 30 yards; how much paint? | The fence is 30 feet; how much paint?
            Give me the dose in ml | Give me the dose in drops
            Is a 1 V drop normal? | Is a 1 mV drop normal?
        """,
        "date": """
            What's happening in Berlin this Friday? | What's happening in Berlin this Saturday?
            Who was prime minister in 1997? | Who was prime minister in 2007?
            How is the surf in February? | How is the surf in July?
            Is the gym open at 5 in the morning? | Is the gym open at 5 in the afternoon?
            Is the gym open at night? | Is the gym open at noon?
            When was the last earthquake in Chile? | When was the first earthquake in Chile?
            How much did milk cost in 1950? | How much did milk cost in 1990?
            What was the price of milk back in 1950? | How much was milk in 1970?
            How was my spending last week? | How was my spending last month?
            Which birds migrate in autumn? | Which birds migrate in spring?
            Do I owe tax for 2023? | Do I owe tax for 2024?
            Can I get in before 9 am? | Can I get in after 9 am?
            Is the market held on the first Sunday? | Is the market held on the last Sunday?
            Will the show air tonight? | Will the show air tomorrow night?
            Who ruled Egypt in the 3rd century BC? | Who ruled Egypt in the 3rd century AD?
            Remind me in March | Remind me in April
            Give me the exchange rate of 2 January | Give me the exchange rate of 2 June
            What's due by Thursday? | What's due by Monday?
            Did she call yesterday? | Did she call today?
            Show me logs from 10:00 to 11:00 | Show me logs from 10:00 to 12:00
        """,
        "entity swap": """
            What is the distance from Boston to Denver? | What is the distance from Boston to Dallas?
            Convert Celsius to Kelvin | Convert Kelvin to Celsius
            Is a rabbit faster than a hare? | Is a hare faster than a rabbit?
            Copy the data from table A to table B | Copy the data from table B to table A
            How did Hitler betray Stalin? | How did Stalin betray Hitler?
            What should a tenant pay the landlord? | What should a landlord pay the tenant?
            Does the sun orbit the earth? | Does the earth orbit the sun?
            How do I sell on Etsy? | How do I buy on Etsy?
            Is Debian 12 better than Ubuntu? | Is Debian 11 better than Ubuntu?
            Did the cat bite the dog? | Did the dog bite the cat?
            Was it the dog that the cat bit? | Was it the cat that the dog bit?
            What do nurses think of doctors? | What do doctors think of nurses?
            Can I pour acid into water? | Can I pour water into acid?
            Should I put milk before tea? | Should I put tea before milk?
            Is the brain bigger than the liver? | Is the liver bigger than the brain?
            What is the best part of Kyoto? | What is the best part of Osaka?
            How do I push from local to remote? | How do I push from remote to local?
            Is Mercury closer to the sun than Venus? | Is Venus closer to the sun than Mercury?
            How do I sync my calendar with Google from Apple? | How do I sync my calendar with Apple from Google?
            Who is taller, Tom or Jerry? | Who is shorter, Tom or Jerry?
            Was Michael hired by Sarah? | Was Sarah hired by Michael?
            Did Sarah hire Michael? | Did Michael hire Sarah?
            How much water is in milk? | How much milk is in water?
            Can I change from economy to business? | Can I change from business to economy?
            Which file includes the other, a.h or b.h? | Which file excludes the other, a.h or b.h?
        """,
        "language": """
            How do I get to the airport? | Wie komme ich zum Flughafen?
            How do I get to the airport? | Comment aller à l'aéroport ?
            How do I get to the airport? | ¿Cómo llego al aeropuerto?
            How do I get to the airport? | Hur kommer jag till flygplatsen?
            How do I get to the airport? | Come arrivo all'aeroporto?
            How do I get to the airport? | How do I get to the Flughafen?
            What is a verb? | Was ist ein Verb?
            What is a verb? | Qu'est-ce qu'un verbe ?
            What is a verb? | ¿Qué es un verbo?
            What is a verb? | Vad är ett verb?
            Who was Mozart? | Wer war Mozart?
            Who was Mozart? | Qui était Mozart ?
            Who was Mozart? | Vem var Mozart?
            Who was Mozart? | Ki volt Mozart?
            Explain gravity | Explain gravity in Norwegian
            Explain gravity | Explique gravity
            Explain gravity in Czech | Explain gravity in Slovak
            List five fruits | List five fruits in Finnish
            iPhone 15 price | Preis iPhone 15
            iPhone 15 price | Prix iPhone 15
        """,
    },
}


def both_ways() -> Iterator[Pair]:
    """Each pair, and each with new and stored question exchanged."""
    for pair in pairs():
        yield pair
        yield pair._replace(question=pair.stored, stored=pair.question)
