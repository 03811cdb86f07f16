"""Small tokenizers of the kinds that published models have."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

__all__ = ["by_words", "llama"]


def llama(*, eos_behind: bool = False) -> PreTrainedTokenizerFast:
    """SentencePiece as Llama 2 has it: ▁ before every text, BOS before it too; some put EOS behind it."""
    letters = sorted({*"▁:.?\\{}=0123456789", *"NataliasoldcspeaerfABC"})
    joined = ["Na", "ta", "li", "lia", "talia", "▁Na", "▁Natalia", ":N"]
    pieces = ["<unk>", "<s>", "</s>", *letters, *joined]
    merges = [("N", "a"), ("t", "a"), ("l", "i"), ("li", "a"), ("ta", "lia"), ("▁", "Na"), ("▁Na", "talia")]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>" if eos_behind else "<s> $A",
        special_tokens=[("<s>", vocabulary["<s>"]), ("</s>", vocabulary["</s>"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )


def by_words(*words: str, special: tuple[str, ...] = ()) -> PreTrainedTokenizerFast:
    """One token a word of `words` and of `special`, which are special tokens; pad and eos beside them."""
    vocabulary = {word: index for index, word in enumerate(("<pad>", "<eos>", *words, *special))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        additional_special_tokens=list(special),
        clean_up_tokenization_spaces=False,
    )
