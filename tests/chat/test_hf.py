"""The local text LLM, with a small real causal LM made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cpbench.chat import ChatRequest, Message, Reply, load_chat
from cpbench.errors import UserError

WORDS = [
    "<pad>",
    "</s>",
    "<unk>",
    "how",
    "does",
    "she",
    "feel",
    "sad",
    "happy",
    "angry",
    "be",
    "brief",
    "user",
    "system",
    "0",
    "1",
    "2",
    "3",
]
PROMPT = (Message("user", "how does she feel"),)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama with a vocabulary of fourteen words, whose saved defaults sample."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("llama")
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        initializer_range=0.5,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(do_sample=True, temperature=5.0, top_k=0, eos_token_id=1, pad_token_id=0)
    model.save_pretrained(folder)
    return folder


def ask(path: Path, messages: tuple[Message, ...] = PROMPT, **options: Any) -> Reply:
    chat = load_chat(f"hf/{path}", {"device": "cpu"})
    (reply,) = chat.ask([ChatRequest("k", messages, **{"max_tokens": 8, **options})])
    return reply


def greedy(path: Path, prompt: str, steps: int) -> list[int]:
    """One best token after another, without generate()."""
    import torch
    from transformers import LlamaForCausalLM

    model, ids = LlamaForCausalLM.from_pretrained(path), [WORDS.index(word) for word in prompt.split()]
    said: list[int] = []
    while len(said) < steps and said[-1:] != [1]:
        with torch.inference_mode():
            said.append(int(model(torch.tensor([ids + said])).logits[0, -1].argmax()))
    return said


def words(ids: list[int]) -> str:
    return " ".join(WORDS[n] for n in ids if n > 2)


def test_greedy_whatever_the_checkpoint_samples_with(llama: Path) -> None:
    reply = ask(llama)
    said = greedy(llama, PROMPT[0].text, 8)
    assert reply.text == words(said) and reply.text
    assert (reply.status, reply.finish_reason) == (("ok", "stop") if said[-1] == 1 else ("truncated", "length"))
    assert reply.call is not None
    assert reply.call.usage == {"input_tokens": 4, "output_tokens": len(said)}
    assert reply.call.params_sent == {"max_new_tokens": 8, "do_sample": False}


def test_a_temperature_samples_by_its_seed(llama: Path) -> None:
    texts = [ask(llama, temperature=5.0, seed=seed).text for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1] and len(set(texts)) > 1


def test_a_stop_word_ends_the_answer_and_is_not_in_it(llama: Path) -> None:
    whole = words(greedy(llama, PROMPT[0].text, 8)).split()
    reply = ask(llama, stop=(whole[2],))
    assert reply.text == " ".join(whole[: whole.index(whole[2])])
    assert reply.status == "ok"


def test_the_chat_template_words_the_messages(llama: Path, tmp_path: Path) -> None:
    import shutil

    from transformers import AutoTokenizer

    folder = shutil.copytree(llama, tmp_path / "templated")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }} {{ m.content }} {% endfor %}"
    tokenizer.save_pretrained(folder)
    messages = (Message("system", "be brief"), *PROMPT)
    assert ask(folder, messages).text == words(greedy(llama, "system be brief user how does she feel", 8))
    refusing = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    tokenizer.chat_template = refusing + "{{ m.role }} {{ m.content }} {% endfor %}"
    tokenizer.save_pretrained(folder)
    assert ask(folder, messages).text == words(greedy(llama, "user be brief how does she feel", 8))


def test_a_prompt_beyond_the_context_is_an_error_of_its_own(llama: Path) -> None:
    reply = ask(llama, (Message("user", "sad " * 60),))
    assert (reply.status, reply.call) == ("api_error", None)
    assert reply.error == "60 + 8 tokens do not fit into the context of 64"


def test_it_hears_nothing_and_goes_nowhere(llama: Path) -> None:
    with pytest.raises(UserError, match="a text LLM hears nothing"):
        ask(llama, (Message("user", "how", (b"RIFF",)),))
    assert load_chat(f"hf/{llama}").third_party is False


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere cannot be opened: there is no such folder"):
        ask(tmp_path / "nowhere")


def log_probs(path: Path, said: list[int]) -> Any:
    """Of the token after these, from the bare model."""
    import torch
    from transformers import LlamaForCausalLM

    with torch.inference_mode():
        return LlamaForCausalLM.from_pretrained(path)(torch.tensor([said])).logits[0, -1].double().log_softmax(-1)


def test_the_expected_score_is_that_of_a_softmax_by_hand(llama: Path) -> None:
    logs = log_probs(llama, [WORDS.index(word) for word in PROMPT[0].text.split()])
    likely = [float(logs[WORDS.index(choice)].exp()) for choice in "0123"]
    reply = ask(llama, choices=("0", "1", "2", "3"), schema={"type": "object"})
    assert reply.expected == pytest.approx(sum(n * p for n, p in enumerate(likely)) / sum(likely), abs=1e-6)
    assert (reply.text, reply.status) == (str(likely.index(max(likely))), "ok")
    assert reply.call is not None and reply.call.usage == {"input_tokens": 4, "output_tokens": 0}
    assert reply.call.params_sent == {"choices": ["0", "1", "2", "3"]} and reply.call.params_rejected == ("schema",)


def test_choices_of_several_tokens_count_without_their_longer_ones(llama: Path) -> None:
    prompt = [WORDS.index(word) for word in PROMPT[0].text.split()]
    ids = {choice: [WORDS.index(word) for word in choice.split()] for choice in ("1", "1 0", "2")}
    first, second = log_probs(llama, prompt), log_probs(llama, prompt + ids["1"])
    one, two = float(first[ids["1"][0]].exp()), float(first[ids["2"][0]].exp())
    ten = one * float(second[WORDS.index("0")].exp())
    from cpbench.chat.hf import LocalChat, _exclusive

    chat = LocalChat(str(llama), device="cpu")
    ways = list(ids.values())
    assert chat._likelihoods(prompt, ways) == pytest.approx([one, ten, two], rel=1e-5)
    assert _exclusive(ways, [one, ten, two]) == pytest.approx([one - ten, ten, two])


def test_choices_that_the_tokenizer_cannot_tell_apart_are_named(llama: Path) -> None:
    with pytest.raises(UserError, match="cannot tell the choices apart: '1, 7, 8'"):
        ask(llama, choices=("1", "7", "8"))  # both are <unk>


def test_a_batch_says_what_each_would_say_alone(llama: Path) -> None:
    texts = ["how does she feel", "sad", "be brief", "does she feel happy angry sad", "sad " * 60, "angry"]
    wanted = [
        ChatRequest(str(n), (Message("user", text),), max_tokens=8, stop=("user",)) for n, text in enumerate(texts)
    ]
    single = list(load_chat(f"hf/{llama}", {"device": "cpu"}).ask(wanted))
    batch = list(load_chat(f"hf/{llama}", {"device": "cpu", "batch_size": "4"}).ask(wanted))
    assert [(r.key, r.text, r.status, r.finish_reason) for r in batch] == [
        (r.key, r.text, r.status, r.finish_reason) for r in single
    ]
    assert [r.call and r.call.usage for r in batch] == [r.call and r.call.usage for r in single]
    assert single[4].status == "api_error" and len({r.text for r in single}) > 3
