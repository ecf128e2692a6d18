"""A short list of stock phrases that language models overuse, for when none is given.

Put together by hand from what readers of generated fiction complain about. For a long measured
list, pass your own: anti-slop takes thousands at the same cost.
"""

from __future__ import annotations

__all__ = ["STOCK_PHRASES"]

STOCK_PHRASES: tuple[str, ...] = (
    "a testament to", "tapestry of", "rich tapestry", "barely above a whisper", "barely a whisper",
    "shivers down", "shiver down", "sent a shiver", "couldn't help but", "could not help but",
    "let out a breath", "a breath she didn't know", "a breath he didn't know", "took a deep breath",
    "eyes sparkled", "eyes sparkling", "eyes gleamed", "eyes twinkling", "eyes wide with",
    "heart pounding", "heart swelled", "heart raced", "sense of wonder", "sense of awe",
    "sense of purpose", "sense of belonging", "newfound", "little did she know",
    "little did he know", "little did they know", "nestled in", "nestled between", "nestled among",
    "rolling hills", "once upon a time", "in a world where", "bustling", "whimsical", "kaleidoscope",
    "symphony of", "dance of", "danced in the", "painted the sky", "golden glow", "casting long",
    "casting a warm", "the air was thick", "hung heavy", "a mix of", "a mixture of", "ministrations",
    "delve", "delved", "embark on", "embarked on", "journey of self-discovery", "unwavering",
    "steeled herself", "steeled himself", "voice barely", "a flicker of", "a glimmer of",
    "ever-changing", "ever-evolving", "it's important to note", "it is important to note",
    "in conclusion", "from that day on", "from that day forward", "lived happily ever after",
)  # fmt: skip
