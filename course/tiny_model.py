"""`make tiny-model`: the small language model of data/tiny-gpt2/, trained here on the course's own prose."""

import hashlib
import json
import random
import re
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from course.exercises import ROOT, all_lessons
from course.files import write_whole
from course.onnx_comparison import write_onnx
from course.onnx_model import FOLDER as ONNX
from course.tiny_model_card import card

FOLDER = ROOT / "data" / "tiny-gpt2"
CHINESE = ROOT / "data" / "tokens.zh.txt"
END = "<|endoftext|>"
_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_WRAPPED = re.compile(r"\n(?![-\d])\s*")  # a line break that begins no item of a list


@dataclass(frozen=True)
class Settings:
    """What training depends on beside the text. context: in generated tokens. held_out: one paragraph in so many.

    chinese: how often a round reads each Chinese line, for one reading of a paragraph: they are few and short.
    """

    vocabulary: int = 1536
    context: int = 128
    width: int = 192
    layers: int = 3
    heads: int = 6
    dropout: float = 0.0
    steps: int = 900
    batch: int = 16
    learning_rate: float = 2e-3
    held_out: int = 20
    chinese: int = 10
    seed: int = 7
    threads: int = 1


def paragraphs() -> list[str]:
    """The prose of README.md and of all lessons, without headings, tables and code; then the Chinese text."""
    cells = [cell.text for lesson in all_lessons() for cell in lesson.cells if not cell.is_code]
    english = [(ROOT / "README.md").read_text(encoding="utf-8"), *cells]
    parts = [part.strip() for text in english for part in re.split(r"\n\s*\n", _CODE.sub("", text))]
    prose = [_WRAPPED.sub(" ", part) for part in parts if part and not part.startswith(("#", "|", "<"))]
    return prose + CHINESE.read_text(encoding="utf-8").splitlines()[1:]  # its first line is the licence


def _weighed(texts: list[str], settings: Settings) -> list[str]:
    return [again for text in texts for again in [text] * (settings.chinese if _CHINESE.search(text) else 1)]


def train_tokenizer(texts: list[str], settings: Settings) -> Tokenizer:
    """Byte-level BPE: it knows every text of every language, only some with fewer tokens than others."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        _weighed(texts, settings),
        trainers.BpeTrainer(vocab_size=settings.vocabulary, special_tokens=[END], initial_alphabet=alphabet),
    )
    return tokenizer


def train_model(texts: list[str], tokenizer: Tokenizer, settings: Settings) -> GPT2LMHeadModel:
    """Trained from nothing on windows of `texts`, joined by END, in an order that changes from round to round."""
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)  # sums are cut by threads, and rounding depends on the cut
    torch.use_deterministic_algorithms(True)
    dice = random.Random(settings.seed)  # noqa: S311 - an order, no secret
    end = tokenizer.get_vocab()[END]
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=tokenizer.get_vocab_size(), n_positions=settings.context, n_embd=settings.width,
            n_layer=settings.layers, n_head=settings.heads, embd_pdrop=settings.dropout, resid_pdrop=settings.dropout,
            attn_pdrop=settings.dropout, bos_token_id=end, eos_token_id=end,
        )
    )  # fmt: skip
    encoded = [[*tokenizer.encode(text).ids, end] for text in _weighed(texts, settings)]
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, settings.steps, pct_start=0.1)
    stream: list[int] = []
    size = settings.batch * settings.context
    for step in range(1, settings.steps + 1):
        while len(stream) < size:
            dice.shuffle(encoded)
            stream += [token for ids in encoded for token in ids]
        window, stream = torch.tensor(stream[:size]).view(settings.batch, -1), stream[size:]
        loss = _loss(model, window)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 50 == 0:
            print(f"  step {step} of {settings.steps}: loss {loss.item():.2f}", flush=True)
    return model.eval()


def loss_nats_per_token(model: GPT2LMHeadModel, tokenizer: Tokenizer, texts: list[str]) -> float:
    """How surprised the model is by `texts`: a mean over all their tokens, each text by itself and cut to the context.

    0: it knew what would come. ln(vocabulary), 7.3 here: it had no idea.
    """
    end, limit = tokenizer.get_vocab()[END], model.config.n_positions
    windows = [torch.tensor([[end, *tokenizer.encode(text).ids, end][:limit]]) for text in texts]
    with torch.inference_mode():
        sums = [_loss(model, window).item() * (window.shape[1] - 1) for window in windows]
    return float(sum(sums) / sum(window.shape[1] - 1 for window in windows))


def _loss(model: GPT2LMHeadModel, ids: torch.Tensor) -> torch.Tensor:
    return cross_entropy(model(ids).logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())


def write_model(folder: Path = FOLDER, onnx: Path = ONNX, settings: Settings = Settings()) -> int:
    """Train, and write weights, tokenizer, numbers, the texts that the losses are of, the card; then ONNX.

    The same text, settings, machine and build of torch give the same weights. Another machine rounds otherwise.
    """
    texts = list(dict.fromkeys(paragraphs()))
    random.Random(settings.seed).shuffle(texts)  # noqa: S311 - an order, no secret
    held_out = texts[:: settings.held_out]
    trained_on = [text for text in texts if text not in held_out]
    began = time.perf_counter()
    tokenizer = train_tokenizer(trained_on, settings)
    model = train_model(trained_on, tokenizer, settings)
    seconds = round(time.perf_counter() - began)
    _save(model, tokenizer, folder)
    model = GPT2LMHeadModel.from_pretrained(folder, local_files_only=True)  # rounded, as everybody gets it
    evaluation = {"trained_on": trained_on[: len(held_out)], "held_out": held_out}
    numbers = {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
        "settings": asdict(settings),
        "parameters": model.num_parameters(),
        "seconds": seconds,
        "text": {
            "paragraphs": len(trained_on),
            "sample": len(held_out),
            "characters": sum(map(len, trained_on)),
            "tokens": sum(len(tokenizer.encode(text).ids) for text in trained_on),
            "sha256": hashlib.sha256("\0".join(sorted(trained_on)).encode()).hexdigest(),
        },
        "loss_nats_per_token": {
            name: round(loss_nats_per_token(model, tokenizer, texts), 3) for name, texts in evaluation.items()
        },
    }
    for name, content in (("evaluation.json", evaluation), ("metrics.json", numbers)):
        write_whole(folder / name, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    write_whole(folder / "README.md", card(numbers))
    write_onnx(folder, onnx)
    print(f"wrote {folder}, loss {numbers['loss_nats_per_token']}")
    return 0


def _save(model: GPT2LMHeadModel, tokenizer: Tokenizer, folder: Path) -> None:
    """Weights as float16, half the size; the configuration says float32, so that every library computes in that."""
    end = model.config.eos_token_id
    model.generation_config = GenerationConfig(
        bos_token_id=end, eos_token_id=end, pad_token_id=end, max_new_tokens=40, do_sample=False
    )
    tied = {"lm_head.weight"}  # it is the embedding again; halved it would be another tensor, and be stored twice
    halved = {name: tensor.half() for name, tensor in model.state_dict().items() if name not in tied}
    model.save_pretrained(folder, state_dict=halved)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END, eos_token=END, model_max_length=model.config.n_positions
    ).save_pretrained(folder)
