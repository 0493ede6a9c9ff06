from __future__ import annotations
import re, math
from collections import Counter
from parley.guard_words import *
_TOKEN = re.compile(r"(?<!\S)-\d[\d,]*(?:\.\d+)?|\d+(?:,\d{3})*(?:\.\d+)?|[^\W\d_]+(?:'[^\W\d_]+)?[+#]*|[$€£¥₹%°+*/^=<>≤≥≠×÷|&@~]")
CONTR={"won't":["will","not"],"can't":["can","not"],"cant":["can","not"],"dont":["do","not"],"doesnt":["do","not"],"isnt":["is","not"],"whats":["what","is"]}
def stem(w):
    if len(w)<4: return w
    if w.endswith('ies') and len(w)>4: w=w[:-3]+'y'
    elif w.endswith('s') and not w.endswith(('ss','us','is')): w=w[:-1]
    for suf in ('ing','ed'):
        if w.endswith(suf) and len(w)-len(suf)>=3 and re.search('[aeiouy]',w[:-len(suf)]) and not w.endswith('eed'):
            w=w[:-len(suf)]
            if len(w)>3 and w[-1]==w[-2] and w[-1] not in 'sl': w=w[:-1]
            break
    if w.endswith('e') and len(w)>3: w=w[:-1]
    return w
def read(t):
    t=t.replace('’',"'").replace('‘',"'")
    out=[]
    for m in _TOKEN.finditer(t):
        w=m.group().lower()
        if w in CONTR: out+=CONTR[w]; continue
        if w.endswith("n't"): out+=[w[:-3],'not']; continue
        if "'" in w:
            a,_,b=w.partition("'")
            out.append(a)
            if b=='s' : 
                if a in ('what','who','how','where','that','it','there','he','she','here'): out.append('is')
            elif b in('ll','re','ve','m','d'): out.append({'ll':'will','re':'are','ve':'have','m':'am','d':'would'}[b])
            else: out.append(b)
            continue
        out.append('and' if w=='&' else w)
    return out
SL={stem(w) for w in LIGHT_WORDS}
def key(w):
    return w if w in FUNCTION_WORDS else SAME_WORDS.get(w) or SAME_WORDS.get(stem(w)) or stem(w)
def diff(a,b):
    A=Counter(map(key,read(a)));B=Counter(map(key,read(b)))
    return A-B,B-A,A&B
