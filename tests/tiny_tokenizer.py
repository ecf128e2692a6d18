"""A real tokenizer of a few characters, for the tiny random models."""

from __future__ import annotations

import functools

import transformers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors

_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:;?!+-*/=()[]'\"\n#@$%&_<>|"
_TEMPLATE = "{% for m in messages %}<{{ m['role'][0] }}>{{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}<a>{% endif %}"


@functools.cache
def tokenizer(begins: bool = True) -> transformers.PreTrainedTokenizerFast:
    """A token for each character; `begins`: texts are begun with a token, as Llama's are."""
    names = ["<pad>", "<s>", "</s>", *_CHARACTERS]
    made = Tokenizer(models.WordLevel({name: token for token, name in enumerate(names)}, unk_token="<pad>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    made.decoder = decoders.Fuse()
    if begins:
        made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=made, **special)
    fast.chat_template = _TEMPLATE
    return fast
