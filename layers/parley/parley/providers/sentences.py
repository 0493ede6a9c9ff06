"""Errors that only their message identifies: the state of an account, and a request that is too long or too large.

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
    r"[.!]?(?:\s+(?:Please|You|Your|If|For|To|Go|See|Visit|Learn|Contact|Check|Try|Upgrade|Purchase|However)\b.*)?"
)
_HOLDER = (
    r"(?:Your|This|The)(?: [a-z]+)? (?:account|organi[sz]ation|project|workspace|team|API key|key|subscription|plan)"
    r"(?: associated with this API key)?"
)
_SPENT = "too low|insufficient|depleted|exhausted|empty|negative|expired|used up|run out"
_MONEY = (
    r"(?![^.]*\b(?:rate|per second|per minute|per hour)\b)"
    r"(?:[\w'-]+ ){0,5}?(?:usage|spend|spending|billing|budget|cost|credit|prepaid|quota)(?:[ -][a-z]+){0,4}"
)
_CLOSED = (
    "disabled|deactivated|suspended|terminated|banned|blocked|revoked|on hold|restricted|locked|closed|archived|deleted"
    "|invalid|expired|inactive|flagged|unverified|leaked|denied access|not active|not verified|not valid"
)
_REASON = r"(?: (?:due to|for|because of|pending|after|from|as)[\w ,'-]*)?"
_SENTENCES: dict[ProviderErrorCode, tuple[str, ...]] = {
    "quota_exhausted": (
        rf"Your (?:[a-z]+ )?(?:balance|credits?|funds) (?:is|are|has|have) (?:been |now )?(?:{_SPENT})(?: to [\w ]+)?",
        rf"You(?: have|'ve)? (?:reached|exceeded|hit|used up) your {_MONEY}",
        rf"{_HOLDER} (?:has |have )?(?:reached|exceeded|hit|used up|exhausted) (?:its|your|the) {_MONEY}",
        r"You(?: have|'ve)? (?:run out of|no|used all your)(?: remaining)? credits?(?: left| remaining)?",
        r"You exceeded your current quota, please check your plan and billing details",
        r"(?:Billing hard|Hard billing|Monthly spend(?:ing)?) (?:limit|cap) (?:has been |was )?(?:reached|exceeded)",
        r"Insufficient (?:balance|credits?|funds|quota)",
        r"This API method requires billing to be enabled",
        rf"{_HOLDER} is not active, please check your billing details(?: on our website)?",
    ),
    "credentials_rejected": (
        rf"{_HOLDER} (?:has been|is|was) (?:currently |temporarily |permanently |reported as )?(?:{_CLOSED}){_REASON}",
        r"(?:Your|This|The) organi[sz]ation must be verified(?: to [\w ]+(?:[`'\"][\w.:/@-]+[`'\"])?)?",
        rf"Your access (?:to [\w ]+ )?(?:was|has been) (?:{_CLOSED}){_REASON}",
        r"API key (?:not valid|expired|not found|is invalid|has been revoked)",
        r"Invalid API key(?: provided)?",
        r"This credential is only authorized for use with [\w ]+ and cannot be used for other API requests",
        r"User location is not supported for the API use(?: without a billing account linked)?",
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
# OpenAI's two sentences about tokens a minute.
_TOKENS_A_MINUTE = (
    r"(?:Request too large|Rate limit reached) for [\w.:/@-]+ .{0,200}?:? ?Limit:? ([\d,]+)[^,]*,"
    r" (?:Used:? [\d,]+, )?Requested:? ([\d,]+)\..*"
)


def meaning(message: str) -> ProviderErrorCode | None:
    """What a message says as a whole sentence; None where it says none of these."""
    message = message.strip()[:_READ]
    sentences, tokens_a_minute = _compiled()
    if limit := tokens_a_minute.fullmatch(message):
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
