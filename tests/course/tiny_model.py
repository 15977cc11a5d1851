"""A GPT-2 for tests that knows one text by heart: made in a moment, loaded and run as a real one is."""

from pathlib import Path
from typing import Any

TEXT = "abcdéfgh"  # no byte occurs twice, so that each byte decides the next one


def save_tiny_model(folder: Path, *, chat_template: str | None = None, room: int = 64) -> Path:
    """After any prompt that ends with none of its letters it says TEXT and ends. A token is a byte; room: the most.

    Width and vocabulary are the same, and embeddings are one-hot. Attention and MLP add nothing, so what comes out of
    the last layer is the last token; the head maps it to the one after it.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(
        models.BPE(vocab={"<end>": 0, **{name: at + 1 for at, name in enumerate(letters)}}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    as_tokenizer: Any = PreTrainedTokenizerFast  # it has no types
    fast = as_tokenizer(tokenizer_object=tokenizer, eos_token="<end>")
    fast.chat_template = chat_template
    fast.save_pretrained(folder)

    size, text = len(fast), fast(TEXT)["input_ids"]
    shape = GPT2Config(vocab_size=size, n_positions=room, n_embd=size, n_layer=1, n_head=1, bos_token_id=0,
                       eos_token_id=0, tie_word_embeddings=False)  # fmt: skip
    model: Any = GPT2LMHeadModel(shape)
    after = {**dict.fromkeys(range(size), text[0]), **dict(zip(text, [*text[1:], 0], strict=True))}
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "ln" not in name:
                weight.zero_()
        model.transformer.wte.weight.copy_(torch.eye(size))
        for token, following in after.items():
            model.lm_head.weight[following, token] = 1
        model.lm_head.weight[fast("z")["input_ids"][0]] = 0.9 * model.lm_head.weight[text[0]]  # its second choice
    model.save_pretrained(folder)
    return folder
