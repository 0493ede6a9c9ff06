"""What a model writes where a schema wants a text: questions and sentences about a topic, in several languages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

# Short: two questions of one kind about two topics share few words.
QUESTIONS: Final[Mapping[str, Sequence[str]]] = {
    "en": (
        "How would you explain {topic} to a newcomer?",
        "Which problem with {topic} did you solve last?",
        "What are the limits of {topic}?",
        "Which decision about {topic} would you revisit?",
        "How do you test work on {topic}?",
        "What would you measure first about {topic}?",
        "Where have you seen {topic} go wrong?",
        "How do you balance speed and {topic}?",
        "Which trade-offs of {topic} do newcomers miss?",
        "How would you teach {topic} to colleagues?",
        "What did a disagreement about {topic} teach?",
        "When would you advise against {topic}?",
        "How do you keep up with {topic}?",
        "What does good {topic} look like?",
        "Which signals say that {topic} needs attention?",
        "How would you plan a move towards {topic}?",
    ),
    "de": (
        "Wie erklären Sie {topic} einem Neuling?",
        "Was war Ihr schwierigstes Problem mit {topic}?",
        "Wo liegen die Grenzen von {topic}?",
        "Woran erkennen Sie gute Arbeit an {topic}?",
        "Wie testen Sie {topic} vor der Abgabe?",
        "Wann raten Sie von {topic} ab?",
        "Welche Fehler sehen Sie oft bei {topic}?",
        "Was messen Sie zuerst bei {topic}?",
    ),
    "fr": (
        "Comment expliquez-vous {topic} à un débutant ?",
        "Quel problème de {topic} vous a marqué ?",
        "Quelles sont les limites de {topic} ?",
        "Comment vérifiez-vous votre travail sur {topic} ?",
        "Quand déconseillez-vous {topic} ?",
        "Que mesurez-vous d'abord pour {topic} ?",
        "Quelles erreurs voyez-vous souvent avec {topic} ?",
        "Qui vous a appris {topic}, et comment ?",
    ),
    "es": (
        "¿Cómo explica {topic} a un principiante?",
        "¿Qué problema de {topic} recuerda mejor?",
        "¿Cuáles son los límites de {topic}?",
        "¿Cómo comprueba su trabajo con {topic}?",
        "¿Cuándo no recomienda {topic}?",
        "¿Qué mide primero en {topic}?",
        "¿Qué errores ve a menudo con {topic}?",
        "¿Quién le enseñó {topic}, y cómo?",
    ),
    "sv": (
        "Hur förklarar du {topic} för en nybörjare?",
        "Vilket problem med {topic} minns du bäst?",
        "Var går gränserna för {topic}?",
        "Hur testar du {topic} före leverans?",
        "När avråder du från {topic}?",
        "Vad mäter du först i {topic}?",
        "Vilka fel ser du ofta med {topic}?",
        "Vem lärde dig {topic}, och hur?",
    ),
}
FOLLOW_UPS: Final[Mapping[str, Sequence[str]]] = {
    "en": (
        "Can you give an example of {topic}?",
        "What was your own part in {topic}?",
        "What happened to {topic} in the end?",
        "What would you change about {topic} today?",
    ),
    "de": (
        "Haben Sie ein Beispiel für {topic}?",
        "Was war Ihr eigener Anteil an {topic}?",
        "Wie ging es mit {topic} aus?",
        "Was würden Sie heute an {topic} ändern?",
    ),
    "fr": (
        "Avez-vous un exemple de {topic} ?",
        "Quelle était votre part dans {topic} ?",
        "Comment {topic} s'est-il terminé ?",
        "Que changeriez-vous à {topic} aujourd'hui ?",
    ),
    "es": (
        "¿Tiene un ejemplo de {topic}?",
        "¿Cuál fue su propia parte en {topic}?",
        "¿Cómo terminó lo de {topic}?",
        "¿Qué cambiaría hoy de {topic}?",
    ),
    "sv": (
        "Har du ett exempel på {topic}?",
        "Vad var din egen del i {topic}?",
        "Hur slutade det med {topic}?",
        "Vad skulle du ändra i {topic} idag?",
    ),
}
SENTENCES: Final[Mapping[str, Sequence[str]]] = {
    "en": (
        "A short look at {topic}, from the idea behind it to everyday practice.",
        "The answer shows a sound grasp of {topic} and names one concrete example.",
        "Practical experience with {topic} matters more here than textbook definitions.",
        "Next time, describe the result of the work on {topic} in numbers.",
        "You explore how {topic} is used, what it costs and where it fails.",
        "Clear structure, good pace, and an honest account of {topic}.",
    ),
    "de": (
        "Ein kurzer Blick auf {topic}, von der Idee bis zum Alltag.",
        "Die Antwort zeigt ein gutes Verständnis von {topic} und nennt ein Beispiel.",
        "Beschreiben Sie das nächste Mal das Ergebnis der Arbeit an {topic} in Zahlen.",
        "Klarer Aufbau und ein ehrlicher Bericht über {topic}.",
    ),
    "fr": (
        "Un bref regard sur {topic}, de l'idée à la pratique.",
        "La réponse montre une bonne maîtrise de {topic} et cite un exemple.",
        "La prochaine fois, décrivez en chiffres le résultat du travail sur {topic}.",
        "Une structure claire et un récit honnête de {topic}.",
    ),
    "es": (
        "Una mirada breve a {topic}, de la idea a la práctica.",
        "La respuesta muestra un buen dominio de {topic} y da un ejemplo.",
        "La próxima vez, describa en cifras el resultado del trabajo en {topic}.",
        "Una estructura clara y un relato honesto de {topic}.",
    ),
    "sv": (
        "En kort titt på {topic}, från idé till vardag.",
        "Svaret visar god förståelse för {topic} och ger ett exempel.",
        "Beskriv nästa gång resultatet av arbetet med {topic} i siffror.",
        "Tydlig struktur och en ärlig berättelse om {topic}.",
    ),
}
# What a candidate says: some of these make an answer.
ANSWERS: Final[Mapping[str, Sequence[str]]] = {
    "en": (
        "In my last team I was responsible for {topic}, and I worked on it for about two years.",
        "We measured how long {topic} took, found the slowest part, and cut it from nine minutes to two.",
        "I asked the people who use {topic} every day what hurt them most, and wrote their answers down.",
        "The first attempt failed because nobody had tested {topic} with real data, so we rolled it back.",
        "Since then we review every change of {topic} in pairs and keep a checklist of what went wrong.",
        "I decided against a rewrite of {topic}, since a smaller change solved nine of ten complaints.",
    ),
    "de": (
        "In meinem letzten Team war ich zwei Jahre lang für {topic} verantwortlich.",
        "Wir haben gemessen, wie lange {topic} dauert, und es von neun Minuten auf zwei verkürzt.",
        "Der erste Versuch scheiterte, weil niemand {topic} mit echten Daten getestet hatte.",
        "Seitdem prüfen wir jede Änderung an {topic} zu zweit und führen eine Liste der Fehler.",
    ),
    "fr": (
        "Dans ma dernière équipe, j'étais responsable de {topic} pendant deux ans.",
        "Nous avons mesuré la durée de {topic} et l'avons réduite de neuf minutes à deux.",
        "Le premier essai a échoué, car personne n'avait testé {topic} avec de vraies données.",
        "Depuis, nous relisons à deux chaque changement de {topic} et tenons une liste des erreurs.",
    ),
    "es": (
        "En mi último equipo fui responsable de {topic} durante dos años.",
        "Medimos cuánto tardaba {topic} y lo redujimos de nueve minutos a dos.",
        "El primer intento falló porque nadie había probado {topic} con datos reales.",
        "Desde entonces revisamos entre dos cada cambio de {topic} y llevamos una lista de errores.",
    ),
    "sv": (
        "I mitt förra team var jag ansvarig för {topic} i två år.",
        "Vi mätte hur lång tid {topic} tog och minskade den från nio minuter till två.",
        "Det första försöket misslyckades eftersom ingen hade testat {topic} med riktiga data.",
        "Sedan dess granskar vi varje ändring av {topic} i par och för en lista över fel.",
    ),
}
# A tag (BCP 47) after the word language, as JSON or prose has it.
_LANGUAGE: Final = re.compile(r"\blanguage\b\W{1,5}([A-Za-z]{2,3})(?=[-_\W]|$)", re.IGNORECASE)


def language_of(texts: Sequence[str]) -> str:
    """The language that a prompt asks for, the last message first; English where it names none that is spoken here."""
    for text in reversed(texts):
        for tag in _LANGUAGE.findall(text):
            if tag.lower() in QUESTIONS:
                return str(tag.lower())
    return "en"
