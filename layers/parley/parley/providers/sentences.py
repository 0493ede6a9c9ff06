"""Errors that only their message identifies: an account's state, a filter, and a request that is too long or too
large.

A sentence counts where the message begins with it and it is whole. The providers quote a caller's stop sequence, model
or schema behind words of their own, so no caller can say one of these. Sources: public reports of each sentence.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parley.providers.errors import ProviderErrorCode

# Long enough for every sentence below; what a message goes on with is not read.
_READ = 1_000
# What may follow: advice, in sentences that begin like advice.
_ADVICE = (
    r"[.!]?(?:\s+(?:Please|You|Your|If|For|To|Go|See|Visit|Learn|Contact|Check|Try|Upgrade|Purchase|However|Add|Enable"
    r"|Resets?|·)\b.*)?"
)
_HOLDER = (
    r"(?:(?:Your|This|The)(?: [a-z]+)? )?"
    r"(?:account|organi[sz]ation|project|workspace|team|API key|key|subscription|plan)"
    r"(?: associated with this API key)?"
)
_IS_REACHED = r"(?:has been |was |is )?(?:reached|exceeded|exhausted)(?: for [\w ]+ [\w-]+)?"
_AMOUNT = r"(?: (?:of|for) [$€£]?[\w ]*[\w$€£.,]+)?"
_SPENT = "too low|insufficient|depleted|exhausted|empty|negative|expired|used up|run out"
_MONEY = (
    r"(?![^.]*\b(?:rate|acceleration|per second|per minute|per hour)\b)"
    r"(?:[\w'-]+ ){0,5}?(?:usage|spend|spending|billing|budget|cost|credit|prepaid|quota)(?:[ -][a-z]+){0,4}"
    rf"{_AMOUNT}"
)
_LIMIT = r"(?:(?:usage|spend|spending|billing|budget|credit|quota)(?: hard)?(?: limit| cap)|budget)"
_UNPAID = "(?:past due|overdue|unpaid|failed)"
_CLOSED = (
    "disabled|deactivated|suspended|terminated|banned|blocked|revoked|on hold|restricted|locked|closed|archived|deleted"
    "|paused|frozen|invalid|expired|inactive|flagged|unverified|leaked|denied access|not active|not verified|not valid"
)
_REASON = r"(?: (?:due to|for|because|pending|after|from|as|and)\b[\w ,'-]*)?"
_IS_CLOSED = rf"(?:has|has been|is|was) (?:currently |temporarily |permanently |reported as )?(?:{_CLOSED}){_REASON}"
_IS_SPENT = rf"(?:is|are|has|have) (?:been |now )?(?:{_SPENT})(?: to [\w ]+)?"
_OWNER = r"(?:account|organi[sz]ation|project|workspace)"
_SENTENCES: dict[ProviderErrorCode, tuple[str, ...]] = {
    "quota_exhausted": (
        rf"Your (?:[\w'-]+ ){{0,3}}(?:balance|credits?|funds) {_IS_SPENT}",
        rf"You(?: have|'ve)? (?:reached|exceeded|hit|used up) your {_MONEY}",
        rf"{_HOLDER} (?:has |have )?(?:reached|exceeded|hit|used up|exhausted) (?:its|your|the) {_MONEY}",
        r"You(?: have|'ve)? (?:run out of|no|insufficient|used all your)(?: remaining)? credits?(?: [\w ]+)?",
        r"You(?: do not|don't) have (?:enough|sufficient|any) (?:remaining )?(?:credits?|funds|quota)(?: to [\w ]+)?",
        r"You(?: are|'re) out of (?:extra usage|credits?)",
        r"Third-party apps now draw from your extra usage, not your plan limits",
        r"You exceeded your current quota, please check your plan and billing details",
        rf"(?:(?:Your|This|The) )?(?:{_OWNER}'s )?(?:hard |monthly |daily ){{0,2}}{_LIMIT} {_IS_REACHED}",
        rf"This request would exceed (?:your|this|the) {_MONEY}",
        rf"(?:Your|This|The) (?:{_OWNER}'s )?(?:billing|payment|invoice|balance) (?:is|has) {_UNPAID}",
        r"Insufficient (?:balance|credits?|funds|quota)",
        r"This API method requires billing to be enabled",
        rf"{_HOLDER} is not active, please check your billing details(?: on our website)?",
    ),
    "credentials_rejected": (
        rf"{_HOLDER} {_IS_CLOSED}",
        rf"Access to (?:your|this|the) {_OWNER} {_IS_CLOSED}",
        rf"Access to [\w ]+ models is not allowed for (?:your|this|the) {_OWNER}",
        rf"\w+ authentication is (?:currently )?not (?:allowed|supported) for (?:your|this|the) {_OWNER}",
        rf"[A-Z]\w+ has been (?:{_CLOSED}) (?:in|for) (?:your|this) {_OWNER}{_REASON}",
        r"You do not have an account because it has been [a-z ]+",
        r"You must be a member of an organi[sz]ation to use the API",
        rf"You do not have access to (?:your|this|the) {_OWNER}(?: tied to the API key)?",
        r"This key is associated with a [a-z]+ account",
        r"Please pass a valid API key",
        rf"(?:API|Claude) (?:usage|access) (?:has been|is|was) (?:{_CLOSED}) for (?:your|this) [a-z]+",
        rf"{_HOLDER} does not have access to (?:Claude|(?:the |this )?(?:[A-Z]\w+ )?API)",
        r"The project you are requesting has been archived(?: and is no longer accessible)?",
        rf"Permission denied: Consumer '[\w:./*-]+' (?:has been|is) (?:{_CLOSED})",
        r"[A-Z][\w ]+ API has not been used in project [\w-]+ before or it is disabled",
        r"(?:Your|This|The) organi[sz]ation must be verified(?: to [\w ]+(?:[`'\"]?[\w.:/@-]+[`'\"]?)?)?",
        r"Your (?:phone number|e-?mail address|e-?mail|identity|age) must be verified(?: (?:to|before) [\w ]+)?",
        rf"Your access (?:to [\w ]+ )?(?:was|has been) (?:{_CLOSED}){_REASON}",
        r"API key (?:not valid|expired|not found|is invalid|has been revoked)",
        r"Invalid API key(?: provided)?",
        r"This credential is only authorized for use with [\w ]+ and cannot be used for other API requests",
        r"User location is not supported for the API use(?: without a billing account linked)?",
    ),
    "content_refused": (
        r"Output blocked by content filtering policy",
        r"(?:Invalid prompt: )?your (?:prompt|request) was flagged as potentially violating our usage polic(?:y|ies)",
        r"Your request was rejected (?:by|as a result of) (?:our|the) safety system",
    ),
    "context_length_exceeded": (
        r"prompt is too long(?:: [\d,]+ tokens > [\d,]+ maximum)?",
        r"input length and `max_tokens` exceed context limit(?:: [\d ,+>]+(?:decrease input length.*)?)?",
        r"This model's maximum context length is [\d,]+ tokens(?:, however [\w ,()]+)?",
        r"Your input exceeds the context window of this model",
        r"Input tokens exceed the configured limit of [\d,]+ tokens",
        r"Input is too long for (?:the )?requested model",
        r"The input token count(?: \([\d,]+\))? exceeds the maximum number of tokens allowed(?: \(?[\d,]+\)?)?",
    ),
    "request_too_large": (
        r"Extra usage is required for long context requests",
        r"The long context beta is not (?:yet )?available for this subscription",
        r"Request payload size exceeds the limit: [\d,]+ bytes",
        r"Request (?:size )?exceeds the maximum (?:allowed )?(?:size|number of bytes)[\w ,()']*",
    ),
}
# What Anthropic says of tokens a minute: the limit, and not how many were asked for.
_LIMIT_A_MINUTE = re.compile(
    r"This request would exceed the rate limit for your organization (?:\([\w-]+\) )?"
    r"of ([\d,]+) (?:input )?tokens per minute"
)
# OpenAI's two sentences about tokens a minute.
_TOKENS_A_MINUTE = (
    r"(?:Request too large|Rate limit reached) for [\w.:/@-]+ .{0,200}?:? ?Limit:? ([\d,]+)[^,]*,"
    r" (?:Used:? [\d,]+, )?Requested:? ([\d,]+)\..*"
)


def tokens_a_minute(message: str) -> int | None:
    """The most tokens that the account may send in a minute, where a message says so."""
    said = _LIMIT_A_MINUTE.match(message.strip())
    return int(said[1].replace(",", "")) if said else None


def meaning(message: str) -> ProviderErrorCode | None:
    """What a message says as a whole sentence; None where it says none of these."""
    message = message.strip()[:_READ]
    sentences, of_tokens_a_minute = _compiled()
    if limit := of_tokens_a_minute.fullmatch(message):
        allowed, asked = (int(number.replace(",", "")) for number in limit.groups())
        return "request_too_large" if asked > allowed else "rate_limited"
    return next((code for pattern, code in sentences if pattern.fullmatch(message)), None)


@cache
def _compiled() -> tuple[list[tuple[re.Pattern[str], ProviderErrorCode]], re.Pattern[str]]:
    """The patterns, compiled at the first error: that takes some milliseconds, which a cold start need not spend."""
    flags = re.IGNORECASE | re.DOTALL
    sentences = [
        (re.compile(f"(?:{'|'.join(patterns)}){_ADVICE}", flags), code) for code, patterns in _SENTENCES.items()
    ]
    return sentences, re.compile(_TOKENS_A_MINUTE, flags)
